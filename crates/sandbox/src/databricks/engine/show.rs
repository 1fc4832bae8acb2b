//! SHOW and DESCRIBE.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use deltalake::kernel::{MetadataValue, StructField};

use super::{
    Engine, Outcome,
    catalog::{FullName, Listing, Place, schema_of},
    ddl::is_missing,
    describe::described,
    result::type_text_of_arrow,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{CatalogFilter, Lexed, ObjectPath, SchemaFilter, Show, Statement, TableFilter, Wild, delta_type_text, fits},
};

/// Schema, name, whether it is the session's own, catalog, kind.
type Listed = (String, String, bool, String, &'static str);

impl Engine {
    pub(super) async fn show(&self, show: &Show, place: &Place) -> SqlResult<Outcome> {
        match show {
            Show::Catalogs { like } => {
                let names = self.0.catalog.read(|listing| listing.keys().cloned().collect::<Vec<_>>());
                texts(
                    &["catalog"],
                    names.into_iter().filter(|name| matches(name, like.as_deref())).map(|name| vec![name]),
                )
            }
            Show::Schemas { catalog, like } => {
                let schemas = self.schemas(catalog.as_deref(), &SchemaFilter::All, place)?.1;
                texts(
                    &["databaseName"],
                    schemas.into_iter().filter(|name| matches(name, like.as_deref())).map(|name| vec![name]),
                )
            }
            Show::Tables { catalog, schema, like } => self.show_tables(catalog, schema, like.as_deref(), place),
            Show::Views { catalog, schema, like } => {
                self.show_views(catalog.as_deref(), schema, like.as_deref(), place)
            }
            Show::Keys { foreign, table } => self.show_keys(*foreign, table, place),
            Show::Columns { catalog, schema, table, like } => {
                self.show_columns(catalog, schema, table, like.as_deref(), place).await
            }
            Show::Properties { table, key } => self.show_properties(table, key.as_deref(), place).await,
            Show::CreateTable { table } => self.show_create_table(table, place).await,
            Show::Volumes { schema } => {
                let (catalog, schema) = match schema {
                    Some(path) => place.resolve_schema(path)?,
                    None => (place.catalog.clone(), place.schema.clone()),
                };
                let names = self.0.catalog.read(|listing| {
                    schema_of(listing, &catalog, &schema)
                        .map(|schema| schema.volumes.keys().cloned().collect::<Vec<_>>())
                })?;
                texts(&["database", "volume_name"], names.into_iter().map(|name| vec![schema.clone(), name]))
            }
        }
    }

    fn schemas(&self, catalog: Option<&str>, filter: &SchemaFilter, place: &Place) -> SqlResult<(String, Vec<String>)> {
        let catalog = catalog.map_or_else(|| place.catalog.clone(), str::to_lowercase);
        let names = self.0.catalog.read(|listing| schemas_in(listing, &catalog, filter, place))?;
        Ok((catalog, names))
    }

    /// The catalogs, and the schemas in each.
    fn places(
        &self,
        catalogs: &CatalogFilter,
        filter: &SchemaFilter,
        place: &Place,
    ) -> SqlResult<Vec<(String, Vec<String>)>> {
        match catalogs {
            CatalogFilter::Current => Ok(vec![self.schemas(None, filter, place)?]),
            CatalogFilter::Named(name) => Ok(vec![self.schemas(Some(name), filter, place)?]),
            // In one look: between two a catalog may go.
            CatalogFilter::All => self.0.catalog.read(|listing| {
                let schemas = |name: &String| Ok((name.clone(), schemas_in(listing, name, filter, place)?));
                listing.keys().map(schemas).collect()
            }),
        }
    }

    /// The tables and views of a schema with the words for their kinds, in order.
    fn tables(&self, catalog: &str, schema: &str) -> Vec<(String, &'static str)> {
        let mut names = self.0.catalog.read(|listing| {
            let Ok(entry) = schema_of(listing, catalog, schema) else { return Vec::new() };
            let tables = entry.tables.keys().map(|name| (name.clone(), "TABLE"));
            tables.chain(entry.views.keys().map(|name| (name.clone(), "VIEW"))).collect()
        });
        names.sort();
        names
    }

    fn show_tables(
        &self,
        catalogs: &CatalogFilter,
        filter: &SchemaFilter,
        like: Option<&str>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let mut rows: Vec<Listed> = Vec::new();
        for (catalog, schemas) in self.places(catalogs, filter, place)? {
            for schema in schemas {
                for (name, kind) in self.tables(&catalog, &schema).into_iter().filter(|(name, _)| matches(name, like)) {
                    rows.push((schema.clone(), name, false, catalog.clone(), kind));
                }
            }
        }
        // Views of the session are in no schema.
        for name in place.views.names().filter(|name| matches(name, like)) {
            rows.push((String::new(), name.clone(), true, String::new(), "VIEW"));
        }
        let none = Arc::new(StringArray::from(vec![None::<&str>; rows.len()])) as ArrayRef;
        let text =
            |of: &dyn Fn(&Listed) -> String| Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef;
        batch(vec![
            ("namespace", text(&|row| row.0.clone())),
            ("tableName", text(&|row| row.1.clone())),
            ("isTemporary", Arc::new(rows.iter().map(|row| Some(row.2)).collect::<BooleanArray>())),
            ("information", Arc::clone(&none)),
            ("catalogName", text(&|row| row.3.clone())),
            ("tableType", text(&|row| row.4.to_owned())),
            ("remarks", none),
        ])
    }

    fn show_views(
        &self,
        catalog: Option<&str>,
        filter: &SchemaFilter,
        like: Option<&str>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let (catalog, schemas) = self.schemas(catalog, filter, place)?;
        let mut rows = Vec::new();
        for schema in schemas {
            let names = self
                .tables(&catalog, &schema)
                .into_iter()
                .filter(|(name, kind)| *kind == "VIEW" && matches(name, like));
            rows.extend(names.map(|(name, _)| (schema.clone(), name, false)));
        }
        rows.extend(
            place.views.names().filter(|name| matches(name, like)).map(|name| (String::new(), name.clone(), true)),
        );
        let text = |of: fn(&(String, String, bool)) -> &str| {
            Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef
        };
        batch(vec![
            ("namespace", text(|row| &row.0)),
            ("viewName", text(|row| &row.1)),
            ("isTemporary", Arc::new(rows.iter().map(|row| Some(row.2)).collect::<BooleanArray>())),
            ("isMaterialized", Arc::new(BooleanArray::from(vec![false; rows.len()]))),
        ])
    }

    /// The columns are those that drivers read; a table without keys has no rows.
    fn show_keys(&self, foreign: bool, table: &ObjectPath, place: &Place) -> SqlResult<Outcome> {
        let name = place.resolve(table)?;
        let entry = self.0.catalog.table(&name)?;
        let mut rows: Vec<(Vec<String>, i32)> = Vec::new();
        for key in entry.keys.iter().filter(|key| key.parent.is_some() == foreign) {
            for (at, column) in key.columns.iter().enumerate() {
                let mut row = vec![name.catalog.clone(), name.schema.clone(), name.name.clone(), column.clone()];
                row.push(key.name.clone());
                if let Some((parent, columns)) = &key.parent {
                    let theirs = columns.get(at).cloned().unwrap_or_default();
                    row.extend([parent.catalog.clone(), parent.schema.clone(), parent.name.clone(), theirs]);
                    let known = self.0.catalog.table(parent).ok();
                    let primary = known.and_then(|entry| entry.keys.into_iter().find(|key| key.parent.is_none()));
                    row.push(primary.map(|key| key.name).unwrap_or_default());
                }
                rows.push((row, at as i32 + 1));
            }
        }
        let text = |index: usize| {
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(row, _)| row[index].as_str()))) as ArrayRef
        };
        let sequence = Arc::new(Int32Array::from_iter_values(rows.iter().map(|(_, at)| *at))) as ArrayRef;
        let own = [("catalogName", 0), ("namespace", 1), ("tableName", 2), ("col_name", 3)];
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        if foreign {
            let parents =
                [("parentCatalogName", 5), ("parentNamespace", 6), ("parentTableName", 7), ("parentColName", 8)];
            columns.extend(parents.map(|(name, index)| (name, text(index))));
        }
        columns.extend(own.map(|(name, index)| (name, text(index))));
        columns.push(("keySeq", sequence));
        if foreign {
            // As JDBC numbers them: no action, no action, not deferrable.
            let number = |number: i32| Arc::new(Int32Array::from(vec![number; rows.len()])) as ArrayRef;
            columns.extend([("updateRule", number(3)), ("deleteRule", number(3))]);
        }
        columns.push(("constraintName", text(4)));
        if foreign {
            columns.push(("parentKeyName", text(9)));
            columns.push(("deferrability", Arc::new(Int32Array::from(vec![7; rows.len()]))));
        }
        batch(columns)
    }

    async fn show_columns(
        &self,
        catalogs: &CatalogFilter,
        filter: &SchemaFilter,
        tables: &TableFilter,
        like: Option<&str>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let mut rows = Vec::new();
        for (catalog, schemas) in self.places(catalogs, filter, place)? {
            for schema in schemas {
                let names: Vec<String> = match tables {
                    TableFilter::Named(name) => vec![name.to_lowercase()],
                    TableFilter::Like(_) | TableFilter::All => {
                        let pattern =
                            if let TableFilter::Like(pattern) = tables { Some(pattern.as_str()) } else { None };
                        let known = self.tables(&catalog, &schema).into_iter().map(|(name, _)| name);
                        known.filter(|name| matches(name, pattern)).collect()
                    }
                };
                for name in names {
                    let full = FullName { catalog: catalog.clone(), schema: schema.clone(), name };
                    let columns = match self.columns_of(&full, place).await {
                        // Dropped since the names were read.
                        Err(error) if !matches!(tables, TableFilter::Named(_)) && is_missing(&error) => continue,
                        columns => columns?,
                    };
                    for (column, kind) in columns {
                        if matches(&column, like) {
                            rows.push(vec![catalog.clone(), schema.clone(), full.name.clone(), column, kind]);
                        }
                    }
                }
            }
        }
        texts(&["catalogName", "namespace", "tableName", "col_name", "columnType"], rows.into_iter())
    }

    /// Names and types of the columns of a table or a view.
    async fn columns_of(&self, name: &FullName, place: &Place) -> SqlResult<Vec<(String, String)>> {
        let path = ObjectPath(vec![name.catalog.clone(), name.schema.clone(), name.name.clone()]);
        if let Some(view) = self.view(&path, place) {
            return Ok(view.columns.iter().map(|column| (column.name.clone(), column.type_text.clone())).collect());
        }
        let fields = self.open_entry(name.clone()).await?.fields()?;
        Ok(fields.fields().map(|field| (field.name().clone(), delta_type_text(field.data_type()))).collect())
    }

    pub(super) async fn describe_query(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let schema = self.query_schema(lexed, statement, place).await?;
        let rows = schema
            .fields()
            .iter()
            .map(|field| Ok((field.name().clone(), type_text_of_arrow(field.data_type())?.to_lowercase(), None)))
            .collect::<SqlResult<Vec<_>>>()?;
        described(rows)
    }
}

/// The schemas of a catalog that are asked for.
fn schemas_in(listing: &Listing, catalog: &str, filter: &SchemaFilter, place: &Place) -> SqlResult<Vec<String>> {
    let entry = listing.get(catalog).ok_or_else(|| SqlError::catalog_not_found(catalog))?;
    match filter {
        SchemaFilter::Current => schema_of(listing, catalog, &place.schema).map(|_| vec![place.schema.clone()]),
        SchemaFilter::Named(name) => {
            let name = name.to_lowercase();
            schema_of(listing, catalog, &name).map(|_| vec![name])
        }
        SchemaFilter::Like(pattern) => {
            Ok(entry.schemas.keys().filter(|name| matches(name, Some(pattern))).cloned().collect())
        }
        SchemaFilter::All => Ok(entry.schemas.keys().cloned().collect()),
    }
}

/// The comment of a column.
pub(crate) fn comment(field: &StructField) -> Option<String> {
    match field.metadata.get("comment") {
        Some(MetadataValue::String(comment)) => Some(comment.clone()),
        _ => None,
    }
}

fn texts(names: &[&str], rows: impl Iterator<Item = Vec<String>>) -> SqlResult<Outcome> {
    let rows: Vec<Vec<String>> = rows.collect();
    let column = |index: usize| {
        let values: Vec<&str> = rows.iter().map(|row| row[index].as_str()).collect();
        Arc::new(StringArray::from(values)) as ArrayRef
    };
    batch(names.iter().enumerate().map(|(index, name)| (*name, column(index))).collect())
}

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> SqlResult<Outcome> {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, DataType::clone(column.data_type()), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(Outcome::of(RecordBatch::try_new(Arc::new(schema), columns)?))
}

/// Hive's patterns: `*` many, `.` one, `|` or; case does not matter. `%` is taken for `*` as the service does in LIKE.
fn matches(name: &str, pattern: Option<&str>) -> bool {
    let Some(pattern) = pattern else { return true };
    let name = name.to_lowercase();
    let wild = |c| match c {
        '*' | '%' => Wild::Many,
        '.' => Wild::One,
        c => Wild::This(c),
    };
    pattern.to_lowercase().split('|').any(|pattern| fits(&name, pattern.chars().map(wild), None))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_hives() {
        assert!(matches("Orders", Some("ord*")) && matches("orders", Some("x|o.ders")));
        assert!(!matches("orders", Some("order")) && matches("orders", None));
    }
}
