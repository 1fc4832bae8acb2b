//! Views: queries with a name. The catalog keeps those of schemas, a session its own.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::{
    catalog::{TableProvider, view::ViewTable},
    logical_expr::{Expr, LogicalPlanBuilder},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Effect, Engine, Outcome, Request,
    catalog::{FullName, Place, check_name, now_ms, schema_mut, schema_of},
    ddl::already_exists,
    describe::described,
    governance::Governance,
    result::type_text_of_arrow,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{CreateView, DescribeForm, ObjectPath, Statement, TableUse, lex, parse},
};

/// The deepest nesting of views.
const DEEPEST: usize = 50;

/// A view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ViewEntry {
    pub(crate) id: Uuid,
    /// The query, as it was written.
    pub(crate) text: String,
    /// Where its names are looked up.
    catalog: String,
    schema: String,
    pub(crate) columns: Vec<ViewColumn>,
    pub(crate) comment: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created_at: u64,
    #[serde(default)]
    pub(crate) governance: Governance,
}

/// A column of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ViewColumn {
    pub(crate) name: String,
    pub(crate) type_text: String,
    pub(crate) comment: Option<String>,
}

/// The views of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TempViews(BTreeMap<String, Arc<ViewEntry>>);

impl TempViews {
    pub(crate) fn insert(&mut self, name: String, view: Arc<ViewEntry>) {
        self.0.insert(name, view);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    fn find(&self, path: &ObjectPath) -> Option<&Arc<ViewEntry>> {
        match path.0.as_slice() {
            [name] => self.0.get(&name.to_lowercase()),
            _ => None,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

impl SqlError {
    /// A view where a table is wanted.
    pub(crate) fn expects_table(name: impl std::fmt::Display) -> Self {
        let text = format!("The operation expects a table but {name} is a view.");
        Self::new("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", "42809", text)
    }

    fn expects_view(name: impl std::fmt::Display) -> Self {
        let text = format!("The operation DROP VIEW requires a VIEW. But {name} is a TABLE. Use DROP TABLE instead.");
        Self::new("WRONG_COMMAND_FOR_OBJECT_TYPE", "42809", text)
    }
}

impl Engine {
    pub(super) async fn create_view(&self, create: &CreateView, place: &Place) -> SqlResult<(Outcome, Effect)> {
        let lexed = lex(&create.text)?;
        let marker = lexed.tokens.iter().find(|token| token.token.to_string().starts_with([':', '?']));
        if marker.is_some() {
            let text = "Parameter markers are not allowed in the body of CREATE VIEW.";
            return Err(SqlError::new("UNSUPPORTED_FEATURE.PARAMETER_MARKER_IN_UNEXPECTED_STATEMENT", "0A000", text));
        }
        if create.temporary {
            let [name] = create.name.0.as_slice() else {
                let text = format!(
                    "CREATE TEMPORARY VIEW or the corresponding Dataset APIs only accept single-part view names, but got: {}.",
                    create.name
                );
                return Err(SqlError::new("TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS", "428EK", text));
            };
            let name = name.to_lowercase();
            if !create.or_replace && place.views.0.contains_key(&name) {
                let text = format!(
                    "Cannot create the temporary view {} because it already exists. Choose a different name, drop or replace the existing view, or add the IF NOT EXISTS clause to tolerate pre-existing views.",
                    create.name
                );
                return Err(SqlError::new("TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", text));
            }
            let view = Arc::new(self.new_view(create, place).await?);
            return Ok((Outcome::Nothing, Effect::CreateView { name, view }));
        }
        let name = place.resolve(&create.name)?;
        check_name(&name.name)?;
        self.0.catalog.schema_exists(&name.catalog, &name.schema)?;
        if create.if_not_exists && self.catalog_view(&name).is_some() {
            return Ok((Outcome::Nothing, Effect::None));
        }
        // A view of the catalog outlives the session, and so must what it reads.
        let lasting = Place { views: TempViews::default(), ..place.clone() };
        let view = self.new_view(create, &lasting).await?;
        self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            if schema.tables.contains_key(&name.name) {
                return Err(if create.or_replace {
                    SqlError::expects_view(&name)
                } else {
                    already_exists("TABLE_OR_VIEW", &name)
                });
            }
            match schema.views.get_mut(&name.name) {
                None => {
                    schema.views.insert(name.name.clone(), view);
                }
                Some(old) if create.or_replace => {
                    *old = ViewEntry { id: old.id, governance: old.governance.clone(), ..view };
                }
                Some(_) if create.if_not_exists => {}
                Some(_) => return Err(already_exists("TABLE_OR_VIEW", &name)),
            }
            Ok(())
        })?;
        Ok((Outcome::Nothing, Effect::None))
    }

    /// The view that is meant, if its query can be planned.
    async fn new_view(&self, create: &CreateView, place: &Place) -> SqlResult<ViewEntry> {
        let request = Request {
            sql: format!("DESCRIBE QUERY {}", create.text),
            parameters: Default::default(),
            place: place.deeper(DEEPEST)?,
        };
        let lexed = request.parameters.bind(lex(&request.sql)?)?;
        let statement = parse(&lexed)?;
        let schema = Box::pin(self.query_schema(&lexed, &statement, &request.place)).await?;
        let given = &create.columns;
        if !given.is_empty() && given.len() != schema.fields().len() {
            let what = if given.len() > schema.fields().len() { "TOO_MANY" } else { "NOT_ENOUGH" };
            let text = format!(
                "Cannot create view {}, the reason is {what} data columns: the view has {} columns and the query has {}.",
                create.name,
                given.len(),
                schema.fields().len()
            );
            return Err(SqlError::new(format!("CREATE_VIEW_COLUMN_ARITY_MISMATCH.{what}_DATA_COLUMNS"), "21S01", text));
        }
        let mut columns: Vec<ViewColumn> = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            let (name, comment) = given.get(index).cloned().unwrap_or_else(|| (field.name().clone(), None));
            if columns.iter().any(|known| known.name.eq_ignore_ascii_case(&name)) {
                let text =
                    format!("The column `{name}` already exists. Choose another name or rename the existing column.");
                return Err(SqlError::new("COLUMN_ALREADY_EXISTS", "42711", text));
            }
            columns.push(ViewColumn { name, type_text: type_text_of_arrow(field.data_type())?, comment });
        }
        Ok(ViewEntry {
            id: Uuid::new_v4(),
            text: create.text.clone(),
            catalog: place.catalog.clone(),
            schema: place.schema.clone(),
            columns,
            comment: create.comment.clone(),
            created_at: now_ms(),
            governance: Governance::default(),
        })
    }

    pub(super) fn drop_view(&self, path: &ObjectPath, if_exists: bool, place: &Place) -> SqlResult<(Outcome, Effect)> {
        if let (Some(_), [name]) = (place.views.find(path), path.0.as_slice()) {
            return Ok((Outcome::Nothing, Effect::DropView { name: name.to_lowercase() }));
        }
        let name = place.resolve(path)?;
        let dropped = self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            if schema.tables.contains_key(&name.name) {
                return Err(SqlError::expects_view(&name));
            }
            schema.views.remove(&name.name).map(drop).ok_or_else(|| SqlError::table_not_found(&name))
        });
        match dropped {
            Err(error) if !(if_exists && matches!(error.sqlstate(), "42P01" | "42704")) => Err(error),
            _ => Ok((Outcome::Nothing, Effect::None)),
        }
    }

    pub(crate) fn catalog_view(&self, name: &FullName) -> Option<ViewEntry> {
        self.0
            .catalog
            .read(|listing| schema_of(listing, &name.catalog, &name.schema).ok()?.views.get(&name.name).cloned())
    }

    /// The view that a name means.
    pub(super) fn view(&self, path: &ObjectPath, place: &Place) -> Option<Arc<ViewEntry>> {
        place.views.find(path).cloned().or_else(|| Some(Arc::new(self.catalog_view(&place.resolve(path).ok()?)?)))
    }

    /// The relation that a name means if it is no table: a view, or one of the service's own.
    pub(super) async fn relation(&self, used: &TableUse, place: &Place) -> SqlResult<Option<Arc<dyn TableProvider>>> {
        let Some(view) = self.view(&used.path, place) else { return self.information(&used.path, place).await };
        if used.version.is_some() {
            return Err(SqlError::expects_table(&used.path));
        }
        Box::pin(self.expand(&view, place)).await.map(Some)
    }

    /// The view's query as a relation with the view's columns.
    async fn expand(&self, view: &ViewEntry, place: &Place) -> SqlResult<Arc<dyn TableProvider>> {
        let inside = Place { catalog: view.catalog.clone(), schema: view.schema.clone(), ..place.deeper(DEEPEST)? };
        let lexed = lex(&view.text)?;
        let statement = parse(&lexed)?;
        let prepared = self.prepare(&lexed, &statement, &inside, &[], Vec::new()).await?;
        let Statement::Query(query) = &prepared.statement else {
            return Err(SqlError::internal("a view without a query"));
        };
        let (state, plan) = prepared.frame(query).await?.into_parts();
        // Types are settled by the analyzer.
        let plan = state.optimize(&plan)?;
        let found = plan.schema().columns();
        // What was added to a table since is not part of the view; what is missing breaks it.
        if found.len() < view.columns.len() {
            let text = format!("The view's query gives {} columns and no more {}.", found.len(), view.columns.len());
            return Err(SqlError::new("INCOMPATIBLE_VIEW_SCHEMA_CHANGE", "51024", text));
        }
        let columns = found.into_iter().zip(&view.columns);
        let columns = columns.map(|(column, known)| Expr::Column(column).alias(&known.name));
        let plan = LogicalPlanBuilder::from(plan).project(columns.collect::<Vec<_>>())?.build()?;
        Ok(Arc::new(ViewTable::new(plan, Some(view.text.clone()))))
    }

    /// DESCRIBE of a view.
    pub(super) fn describe_view(
        &self,
        path: &ObjectPath,
        view: &ViewEntry,
        form: DescribeForm,
        place: &Place,
    ) -> SqlResult<Outcome> {
        if form == DescribeForm::Json {
            return Err(SqlError::unsupported("DESCRIBE … AS JSON of a view"));
        }
        let mut rows: Vec<_> = view
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.type_text.to_lowercase(), column.comment.clone()))
            .collect();
        if form == DescribeForm::Extended {
            let name = place.resolve(path)?;
            let temporary = place.views.find(path).is_some();
            let mut more =
                vec![(String::new(), String::new()), ("# Detailed Table Information".to_owned(), String::new())];
            if !temporary {
                more.extend([("Catalog".to_owned(), name.catalog), ("Database".to_owned(), name.schema)]);
            }
            more.extend([
                ("Table".to_owned(), name.name),
                ("Type".to_owned(), "VIEW".to_owned()),
                ("View Text".to_owned(), view.text.clone()),
                ("View Catalog and Namespace".to_owned(), format!("{}.{}", view.catalog, view.schema)),
            ]);
            more.extend(view.comment.clone().map(|comment| ("Comment".to_owned(), comment)));
            rows.extend(more.into_iter().map(|(name, value)| (name, value, Some(String::new()))));
        }
        described(rows)
    }
}
