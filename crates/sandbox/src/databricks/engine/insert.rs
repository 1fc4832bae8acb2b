//! INSERT, and the writing half of CREATE TABLE AS and COPY INTO.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    common::ScalarValue,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection},
};
use deltalake::{
    DeltaTable,
    kernel::{
        MetadataValue, StructField, StructType, engine::arrow_conversion::TryIntoKernel as _,
        transaction::CommitProperties,
    },
    operations::{
        create::CreateBuilder,
        write::{SchemaMode, WriteBuilder},
    },
    protocol::SaveMode,
};
use serde_json::Value;

use super::{
    Engine, Outcome,
    catalog::{FullName, Place, TableEntry},
    ddl::{LENGTH, properties},
    prepare::{Prepared, find_column, unqualified},
    result::normal_type,
    tables::Opened,
};
use crate::databricks::{
    error::{CONFLICT, SqlError, SqlResult},
    sql::{
        CreateTable, DUPLICATE, Insert, InsertMode, Lexed, Statement, cast_to_type, display_names, fit_length, not_null,
    },
};

/// How often an append that lost against another commit is begun anew.
const ATTEMPTS: usize = 10;
/// Marks our own commits for readers of the history.
const ENGINE_INFO: &str = concat!("twinhouse-sandbox/", env!("CARGO_PKG_VERSION"));

impl Engine {
    pub(super) async fn insert(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        insert: &Insert,
        place: &Place,
    ) -> SqlResult<Outcome> {
        if insert.schema_evolution {
            return Err(SqlError::unsupported("INSERT WITH SCHEMA EVOLUTION"));
        }
        for attempt in 1.. {
            match self.insert_once(lexed, statement, insert, place).await {
                // An append reads nothing that another commit could change: the service tries it again by itself.
                Err(error)
                    if attempt < ATTEMPTS && insert.mode == InsertMode::Append && error.sqlstate() == CONFLICT =>
                {
                    tracing::debug!(attempt, "an append lost against another commit");
                }
                other => return other,
            }
        }
        Err(SqlError::internal("INSERT gave up"))
    }

    async fn insert_once(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        insert: &Insert,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let opened = self.open_table(&insert.table, place).await?;
        let mut known = vec![opened.arrow_schema()?];
        // Names in the select list of INSERT … BY NAME are those of the table.
        known.truncate(usize::from(insert.by_name || matches!(insert.mode, InsertMode::ReplaceWhere(_))));
        let extra = match insert.mode {
            InsertMode::ReplaceWhere(_) => vec![("__target", opened.provider(&self.0.base).await?)],
            _ => Vec::new(),
        };
        let prepared = self.prepare(lexed, statement, place, &known, extra).await?;
        let Statement::Insert(planned) = &prepared.statement else { return Err(SqlError::internal("not an insert")) };
        let source = prepared.plan(&planned.source).await?;
        let plan = self.fit(&opened, source, &insert.columns, insert.by_name)?;
        let mut write = writer(&opened.table, &prepared, plan)?;
        write = match &planned.mode {
            InsertMode::Append => write.with_save_mode(SaveMode::Append),
            InsertMode::Overwrite => write.with_save_mode(SaveMode::Overwrite),
            InsertMode::ReplaceWhere(predicate) => {
                let exprs =
                    prepared.expressions(&[("__target", "__target")], std::slice::from_ref(predicate.as_ref())).await?;
                let predicate = exprs.into_iter().next().ok_or_else(|| SqlError::internal("no condition"))?;
                write.with_save_mode(SaveMode::Overwrite).with_replace_where(unqualified(predicate)?)
            }
        };
        let table = write.await?;
        let rows = self.rows_of_commit(&opened.entry, &table).await?;
        Outcome::counts(&[("num_affected_rows", rows), ("num_inserted_rows", rows)])
    }

    /// Writes the query of a CREATE TABLE AS: the table and its rows in one commit.
    pub(super) async fn write_table_as(
        &self,
        prepared: &Prepared,
        create: &CreateTable,
        name: &FullName,
        entry: &TableEntry,
        replace: bool,
    ) -> SqlResult<DeltaTable> {
        let names = create.query.as_deref().map(display_names).unwrap_or_default();
        let Statement::CreateTable(planned) = &prepared.statement else {
            return Err(SqlError::internal("not a table"));
        };
        let Some(query) = &planned.query else { return Err(SqlError::internal("not a query")) };
        let source = prepared.plan(query).await?;
        // The analyzer settles the types that the table will have.
        let settled = prepared.context.state().optimize(&source)?;
        let mut seen = HashSet::new();
        let mut columns = Vec::new();
        for (column, field) in source.schema().columns().into_iter().zip(settled.schema().fields()) {
            let own = column.name.split(DUPLICATE).next().unwrap_or_default();
            let shown = names.get(&own.to_lowercase()).cloned().unwrap_or_else(|| own.to_owned());
            if !seen.insert(shown.to_lowercase()) {
                let text = format!("The column {} already exists.", super::prepare::quote(&shown));
                return Err(SqlError::new("COLUMN_ALREADY_EXISTS", "42711", text));
            }
            let arrow = delta_arrow(field.data_type())?;
            if arrow.is_null() {
                return Err(SqlError::unsupported("a column of the type VOID"));
            }
            let delta: deltalake::kernel::DataType = (&arrow).try_into_kernel()?;
            let value = Expr::Column(column);
            let nested = arrow.is_nested() && field.data_type() != &arrow;
            let value = if nested { datafusion::logical_expr::cast(value, arrow) } else { value };
            // Our own cast also makes the column nullable, as the service does.
            columns.push(cast_to_type(value, &delta).alias(shown));
        }
        let plan = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(source))?);
        let partitions: Vec<String> = create
            .partitions
            .iter()
            .map(|wanted| {
                let fields = plan.schema().fields();
                let found = fields.iter().find(|field| field.name().eq_ignore_ascii_case(wanted));
                found
                    .map(|field| field.name().clone())
                    .ok_or_else(|| SqlError::unresolved_column(super::prepare::quote(wanted), &[]))
            })
            .collect::<SqlResult<_>>()?;
        let mut table = DeltaTable::new(self.log_store(entry)?);
        let properties = properties(create, plan.schema().fields().iter().map(|field| field.name().as_str()));
        if replace {
            if !properties.is_empty() {
                return Err(SqlError::unsupported(
                    "CREATE OR REPLACE TABLE … AS SELECT with properties or column mapping",
                ));
            }
            table.load().await?;
        } else if !properties.is_empty() {
            // The writer refuses properties that are not Delta's own; nobody can see the empty table yet.
            let fields: StructType = plan.schema().as_arrow().try_into_kernel()?;
            let mut empty = CreateBuilder::new()
                .with_log_store(table.log_store())
                .with_table_name(&name.name)
                .with_columns(fields.fields().cloned())
                .with_configuration(properties)
                .with_raise_if_key_not_exists(false);
            if !partitions.is_empty() {
                empty = empty.with_partition_columns(partitions.clone());
            }
            table = empty.await?;
        }
        let made = table.snapshot().is_ok();
        let snapshot = table.snapshot().ok().map(|state| state.snapshot().clone());
        let mut write = WriteBuilder::new(table.log_store(), snapshot)
            .with_input_plan(plan)
            .with_session_state(Arc::new(prepared.context.state()))
            .with_commit_properties(commit_properties())
            .with_table_name(&name.name);
        write = match (replace, made) {
            (true, _) => write.with_save_mode(SaveMode::Overwrite).with_schema_mode(SchemaMode::Overwrite),
            (false, true) => write.with_save_mode(SaveMode::Append),
            (false, false) => write.with_save_mode(SaveMode::ErrorIfExists),
        };
        if !partitions.is_empty() {
            write = write.with_partition_columns(partitions);
        }
        if let Some(comment) = &create.comment {
            write = write.with_description(comment);
        }
        Ok(write.await?)
    }

    /// The source with the table's columns, in its order and its types; what is not given is NULL.
    pub(super) fn fit(
        &self,
        opened: &Opened,
        source: LogicalPlan,
        columns: &[String],
        by_name: bool,
    ) -> SqlResult<LogicalPlan> {
        let fields = opened.fields()?;
        let given: Vec<(String, datafusion::common::Column)> =
            source.schema().columns().into_iter().map(|column| (plain_name(&column.name).to_owned(), column)).collect();
        let targets: Vec<String> = if by_name {
            given.iter().map(|(name, _)| find_column(opened, name)).collect::<SqlResult<_>>()?
        } else if columns.is_empty() {
            fields.fields().map(|field| field.name().clone()).collect()
        } else {
            columns.iter().map(|name| find_column(opened, name)).collect::<SqlResult<_>>()?
        };
        let distinct: HashSet<&String> = targets.iter().collect();
        if distinct.len() != targets.len() {
            return Err(SqlError::new(
                "COLUMN_ALREADY_EXISTS",
                "42711",
                "A column is named twice in the list of the INSERT.",
            ));
        }
        if targets.len() != given.len() {
            let kind = if targets.len() > given.len() { "NOT_ENOUGH_DATA_COLUMNS" } else { "TOO_MANY_DATA_COLUMNS" };
            let text = format!(
                "Cannot write to {}, the reason is a mismatch of columns: the table has {}, the data has {}.",
                opened.name,
                targets.len(),
                given.len()
            );
            return Err(SqlError::new(format!("INSERT_COLUMN_ARITY_MISMATCH.{kind}"), "21S01", text));
        }
        self.project(&fields, &targets, &given, source)
    }

    fn project(
        &self,
        fields: &StructType,
        targets: &[String],
        given: &[(String, datafusion::common::Column)],
        source: LogicalPlan,
    ) -> SqlResult<LogicalPlan> {
        let values = fields.fields().map(|field| {
            let value = match targets.iter().position(|target| target == field.name()) {
                Some(index) => plain_cast(Expr::Column(given[index].1.clone()), field.data_type())?,
                None => plain_cast(Expr::Literal(ScalarValue::Null, None), field.data_type())?,
            };
            Ok(guarded(value, field).alias(field.name()))
        });
        let values: Vec<Expr> = values.collect::<SqlResult<_>>()?;
        Ok(LogicalPlanBuilder::from(source).project(values)?.build()?)
    }

    /// How many rows a commit has added, from the log itself.
    pub(super) async fn rows_of_commit(&self, entry: &TableEntry, table: &DeltaTable) -> SqlResult<u64> {
        let metrics = self.commit_metrics(entry, table).await?;
        let rows = metrics.get("num_added_rows").or_else(|| metrics.get("numOutputRows"));
        Ok(rows.and_then(number).unwrap_or_default())
    }

    pub(super) async fn commit_metrics(&self, entry: &TableEntry, table: &DeltaTable) -> SqlResult<Value> {
        let version = table.version().unwrap_or_default();
        let file = self.0.root.join(&entry.folder).join("_delta_log").join(format!("{version:020}.json"));
        let log = tokio::fs::read_to_string(file).await?;
        let Some(line) = log.lines().find(|line| line.contains("\"commitInfo\"")) else { return Ok(Value::Null) };
        let mut action: Value = serde_json::from_str(line).map_err(SqlError::internal)?;
        Ok(action["commitInfo"]["operationMetrics"].take())
    }
}

/// The value, or an error if the column does not take it: NULL, or a text that is too long.
pub(super) fn guarded(value: Expr, field: &StructField) -> Expr {
    let value = match field.metadata.get(LENGTH) {
        Some(MetadataValue::String(declared)) => fit_length(value, declared),
        _ => value,
    };
    if field.is_nullable() { value } else { not_null(value, field.name()) }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn plain_name(name: &str) -> &str {
    name.split(DUPLICATE).next().unwrap_or_default()
}

/// Databricks' cast where values are involved; Arrow's own where only the shape of nested values changes.
fn plain_cast(value: Expr, to: &deltalake::kernel::DataType) -> SqlResult<Expr> {
    if matches!(to, deltalake::kernel::DataType::Primitive(_)) {
        return Ok(cast_to_type(value, to));
    }
    let arrow = crate::databricks::sql::arrow_of_delta(to)?;
    Ok(datafusion::logical_expr::cast(value, arrow))
}

/// The type that a column of a result gets in a table.
fn delta_arrow(data_type: &arrow::datatypes::DataType) -> SqlResult<arrow::datatypes::DataType> {
    use arrow::datatypes::{DataType, TimeUnit};
    Ok(match normal_type(data_type)? {
        DataType::Timestamp(unit, Some(_)) => {
            debug_assert_eq!(unit, TimeUnit::Microsecond);
            DataType::Timestamp(unit, Some("UTC".into()))
        }
        DataType::Null => DataType::Null,
        other => {
            let delta: deltalake::kernel::DataType = (&with_utc(&other)).try_into_kernel()?;
            crate::databricks::sql::arrow_of_delta(&delta)?
        }
    })
}

/// Moments inside nested types are in UTC in a table.
fn with_utc(data_type: &arrow::datatypes::DataType) -> arrow::datatypes::DataType {
    use arrow::datatypes::{DataType, Field};
    let inner = |field: &Field| Arc::new(Field::new(field.name(), with_utc(field.data_type()), field.is_nullable()));
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        DataType::List(item) => DataType::List(inner(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| inner(field)).collect()),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        other => other.clone(),
    }
}

/// What every commit of ours says about itself.
pub(super) fn commit_properties() -> CommitProperties {
    CommitProperties::default().with_metadata([
        ("userName".to_owned(), Value::String(super::USER.to_owned())),
        ("engineInfo".to_owned(), Value::String(ENGINE_INFO.to_owned())),
    ])
}

/// A writer of the plan into the table.
pub(super) fn writer(table: &DeltaTable, prepared: &Prepared, plan: LogicalPlan) -> SqlResult<WriteBuilder> {
    let snapshot = table.snapshot()?.snapshot().clone();
    Ok(WriteBuilder::new(table.log_store(), Some(snapshot))
        .with_input_plan(plan)
        .with_session_state(Arc::new(prepared.context.state()))
        .with_commit_properties(commit_properties()))
}
