//! INSERT, and the writing half of CREATE TABLE AS and COPY INTO.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    common::ScalarValue,
    logical_expr::{Expr, LogicalPlan, Projection},
    sql::sqlparser::ast::Query,
};
use deltalake::{
    DeltaTable,
    kernel::engine::arrow_conversion::TryIntoKernel as _,
    operations::write::{SchemaMode, WriteBuilder},
    protocol::SaveMode,
};
use serde_json::Value;

pub(super) use super::commit::commit_properties;
use super::{
    Engine, Outcome,
    catalog::{FullName, Place, TableEntry},
    commit::{ATTEMPTS, blind_append},
    ddl::{AsSelect, properties},
    fit::Fit,
    maintain::named,
    prepare::{Prepared, find_column, quote},
    replace::{Replaced, replaced},
    result::normal_type,
    tables::Opened,
};
use crate::databricks::{
    error::{CONFLICT, SqlError, SqlResult},
    sql::{
        CreateTable, DUPLICATE, Insert, InsertMode, Lexed, ObjectPath, Statement, cast_expr, cast_to_type,
        delta_type_text, display_names, find_tables,
    },
};

/// The relation that stands for the table that is written.
pub(super) const TARGET: &str = "__target";

impl Engine {
    pub(super) async fn insert(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        insert: &Insert,
        place: &Place,
    ) -> SqlResult<Outcome> {
        for attempt in 1.. {
            match self.insert_once(lexed, statement, insert, place).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) if attempt < ATTEMPTS => tracing::debug!(attempt, "an INSERT lost against another commit"),
                Ok(None) => break,
                // An append reads nothing that another commit could change: the service tries it again by itself.
                Err(error)
                    if attempt < ATTEMPTS && insert.mode == InsertMode::Append && error.sqlstate() == CONFLICT =>
                {
                    tracing::debug!(attempt, "an append lost against another commit");
                }
                Err(error) => return Err(error),
            }
        }
        Err(too_many_attempts())
    }

    /// `None` if the commit lost in a way that lets the statement begin anew.
    async fn insert_once(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        insert: &Insert,
        place: &Place,
    ) -> SqlResult<Option<Outcome>> {
        let opened = self.open_table(&insert.table, place).await?;
        let mut known = vec![opened.arrow_schema()?];
        // Names in the select list of INSERT … BY NAME are those of the table.
        let names = insert.by_name || !matches!(insert.mode, InsertMode::Append | InsertMode::Overwrite);
        known.truncate(usize::from(names));
        let extra = match insert.mode {
            InsertMode::ReplaceWhere(_) => vec![(TARGET, opened.provider(&self.0.base).await?)],
            _ => Vec::new(),
        };
        let defaults = self.defaults(&opened, place).await?;
        let prepared = self.prepare_with(lexed, statement, place, &known, extra, &defaults).await?;
        let Statement::Insert(planned) = &prepared.statement else { return Err(SqlError::internal("not an insert")) };
        let source = prepared.plan(&planned.source).await?;
        let fixed = self.fixed(&opened, insert, place).await?;
        let fit = Fit {
            columns: &insert.columns,
            by_name: insert.by_name,
            fixed: fixed.clone(),
            evolve: insert.schema_evolution,
            defaults,
        };
        let fitted = self.fit(&opened, source, &fit)?;
        let replaced = replaced(&opened, &prepared, planned, &fixed, &fitted).await?;
        let blind = matches!(replaced, Replaced::Nothing) && !self.reads(&insert.table, &insert.source, place)?;
        let mut write = writer(&opened.table, &prepared, fitted.plan)?;
        if blind {
            write = write.with_commit_properties(blind_append());
        }
        if fitted.evolves {
            write = write.with_schema_mode(SchemaMode::Merge);
        }
        let by_condition = matches!(replaced, Replaced::Where(_));
        write = match replaced {
            Replaced::Nothing => write.with_save_mode(SaveMode::Append),
            Replaced::Everything => write.with_save_mode(SaveMode::Overwrite),
            Replaced::Where(condition) => write.with_save_mode(SaveMode::Overwrite).with_replace_where(condition),
        };
        let table = match write.await {
            Ok(table) => table,
            Err(error) => {
                let error = if by_condition { mismatch(&opened, insert, error.into()) } else { error.into() };
                return self.begin_anew(&opened, error).await.map(|()| None);
            }
        };
        let rows = self.rows_of_commit(&opened.entry, &table).await?;
        Outcome::counts(&[("num_affected_rows", rows), ("num_inserted_rows", rows)]).map(Some)
    }

    /// The columns that PARTITION gives a value.
    async fn fixed(&self, opened: &Opened, insert: &Insert, place: &Place) -> SqlResult<Vec<(String, ScalarValue)>> {
        let partitions = opened.table.snapshot()?.metadata().partition_columns().to_vec();
        let mut fixed = Vec::new();
        for (name, value) in &insert.partition {
            let column = find_column(opened, name)?;
            if !partitions.contains(&column) {
                let text = format!("{} is not a partition column of {}.", quote(&column), opened.name);
                return Err(SqlError::new("NON_PARTITION_COLUMN", "42000", text));
            }
            if let (Some(value), Some(field)) = (value, opened.fields()?.field(&column)) {
                let value = cast_expr(value.clone(), &delta_type_text(field.data_type()));
                let value = self.constant(value, place).await?;
                fixed.push((column, ScalarValue::try_from_array(&value, 0)?));
            }
        }
        Ok(fixed)
    }

    /// True if a query reads the table.
    fn reads(&self, table: &ObjectPath, query: &Query, place: &Place) -> SqlResult<bool> {
        let name = place.resolve(table)?;
        let uses = find_tables(query)?;
        Ok(uses.iter().any(|used| place.resolve(&used.path).is_ok_and(|used| used == name)))
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
        let properties = properties(create, plan.schema().fields().iter().map(|field| field.name().as_str()))?;
        if !properties.is_empty() {
            let (name, comment) = (name.name.clone(), create.comment.clone());
            let wanted = AsSelect { name, comment, plan, partitions, properties };
            return self.write_staged(prepared, wanted, entry, replace).await;
        }
        let mut table = DeltaTable::new(self.log_store(entry)?);
        if replace {
            table.load().await?;
        }
        let as_select = if replace { "CREATE OR REPLACE TABLE AS SELECT" } else { "CREATE TABLE AS SELECT" };
        let snapshot = table.snapshot().ok().map(|state| state.snapshot().clone());
        let mut write = WriteBuilder::new(table.log_store(), snapshot)
            .with_input_plan(plan)
            .with_session_state(Arc::new(prepared.context.state()))
            .with_commit_properties(named(as_select))
            .with_table_name(&name.name);
        write = if replace {
            write.with_save_mode(SaveMode::Overwrite).with_schema_mode(SchemaMode::Overwrite)
        } else {
            write.with_save_mode(SaveMode::ErrorIfExists)
        };
        if !partitions.is_empty() {
            write = write.with_partition_columns(partitions);
        }
        if let Some(comment) = &create.comment {
            write = write.with_description(comment);
        }
        Ok(write.await?)
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

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The type that a column of a result gets in a table.
pub(super) fn delta_arrow(data_type: &arrow::datatypes::DataType) -> SqlResult<arrow::datatypes::DataType> {
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

/// A statement that lost again and again.
pub(super) fn too_many_attempts() -> SqlError {
    let text = "A concurrent transaction has written new data since the current transaction read the table. Please try the operation again.";
    SqlError::new("DELTA_CONCURRENT_WRITE", CONFLICT, text)
}

/// Rows that the condition of a REPLACE WHERE does not hold for, in the service's words.
fn mismatch(opened: &Opened, insert: &Insert, error: SqlError) -> SqlError {
    let checks = opened.table.snapshot().is_ok_and(|snapshot| {
        snapshot.metadata().configuration().keys().any(|key| key.starts_with("delta.constraints."))
    });
    match &insert.mode {
        InsertMode::ReplaceWhere(condition) if error.class() == "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES" && !checks => {
            let text = format!(
                "Written data does not conform to partial table overwrite condition or constraint '{condition}'.\n{}",
                error.text()
            );
            SqlError::new("DELTA_REPLACE_WHERE_MISMATCH", "44000", text)
        }
        _ => error,
    }
}

/// A writer of the plan into the table.
pub(super) fn writer(table: &DeltaTable, prepared: &Prepared, plan: LogicalPlan) -> SqlResult<WriteBuilder> {
    let snapshot = table.snapshot()?.snapshot().clone();
    Ok(WriteBuilder::new(table.log_store(), Some(snapshot))
        .with_input_plan(plan)
        .with_session_state(Arc::new(prepared.context.state()))
        .with_commit_properties(commit_properties()))
}
