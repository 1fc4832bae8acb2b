//! Opens Delta tables, at their latest or at an earlier version.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMicrosecondType};
use datafusion::{
    catalog::TableProvider,
    execution::SessionState,
    sql::sqlparser::ast::{Expr, TableVersion, Value},
};
use deltalake::{
    DeltaTable, DeltaTableBuilder, DeltaTableError,
    kernel::{StructType, Version},
    logstore::LogStoreRef,
};
use futures::TryStreamExt;
use url::Url;

use super::{
    Engine,
    catalog::{FullName, Place, TableEntry},
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{ObjectPath, TableUse, arrow_of_delta},
};

/// A table as one statement sees it.
pub(super) struct Opened {
    pub(super) name: FullName,
    pub(super) entry: TableEntry,
    pub(super) table: DeltaTable,
}

impl Opened {
    pub(super) fn fields(&self) -> SqlResult<StructType> {
        Ok(self.table.snapshot()?.schema().as_ref().clone())
    }

    /// The columns as the reader gives them.
    pub(super) fn arrow_schema(&self) -> SqlResult<SchemaRef> {
        arrow_schema(&self.fields()?)
    }

    pub(super) async fn provider(&self, state: &SessionState) -> SqlResult<Arc<dyn TableProvider>> {
        Ok(self.table.table_provider().with_session(Arc::new(state.clone())).await?)
    }
}

/// The Arrow form of a table's columns.
pub(super) fn arrow_schema(fields: &StructType) -> SqlResult<SchemaRef> {
    let fields: Vec<_> = fields
        .fields()
        .map(|field| {
            Ok(arrow::datatypes::Field::new(field.name(), arrow_of_delta(field.data_type())?, field.is_nullable()))
        })
        .collect::<SqlResult<_>>()?;
    Ok(Arc::new(arrow::datatypes::Schema::new(fields)))
}

impl Engine {
    /// The latest version of a table.
    pub(super) async fn open_table(&self, path: &ObjectPath, place: &Place) -> SqlResult<Opened> {
        let name = place.resolve(path)?;
        self.open_entry(name).await
    }

    /// The latest version of the table with this name.
    pub(super) async fn open_entry(&self, name: FullName) -> SqlResult<Opened> {
        let entry = self.0.catalog.table(&name)?;
        let mut table = DeltaTableBuilder::from_url(self.table_url(&entry)?)?.build()?;
        match table.load().await {
            Ok(()) => Ok(Opened { name, entry, table }),
            // Dropped since the listing was read.
            Err(DeltaTableError::NotATable(_)) => Err(SqlError::table_not_found(name)),
            Err(error) => Err(error.into()),
        }
    }

    /// The columns of a table, for the catalog's API.
    pub(crate) async fn table_fields(
        &self,
        name: FullName,
    ) -> SqlResult<(TableEntry, StructType, Vec<String>, Vec<(String, String)>)> {
        let opened = self.open_entry(name).await?;
        let snapshot = opened.table.snapshot()?;
        let partitions = snapshot.metadata().partition_columns().to_vec();
        let mut properties: Vec<_> =
            snapshot.metadata().configuration().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        properties.sort();
        Ok((opened.entry.clone(), opened.fields()?, partitions, properties))
    }

    /// Where a table's files are.
    pub(crate) fn table_url(&self, entry: &TableEntry) -> SqlResult<Url> {
        let folder = self.0.root.join(&entry.folder);
        Url::from_directory_path(folder).map_err(|()| SqlError::internal("a table folder without a URL"))
    }

    /// A log store for a table that may not exist yet.
    pub(super) fn log_store(&self, entry: &TableEntry) -> SqlResult<LogStoreRef> {
        let folder = self.0.root.join(&entry.folder);
        std::fs::create_dir_all(&folder)?;
        Ok(DeltaTableBuilder::from_url(self.table_url(entry)?)?.build_storage()?)
    }

    /// The version of a table that a query asks for.
    pub(super) async fn open_use(&self, used: &TableUse, place: &Place) -> SqlResult<Opened> {
        let mut opened = self.open_table(&used.path, place).await?;
        let Some(asked) = &used.version else { return Ok(opened) };
        let version = match asked {
            TableVersion::VersionAsOf(expr) => version_number(expr)?,
            TableVersion::TimestampAsOf(expr) | TableVersion::ForSystemTimeAsOf(expr) => {
                let micros = self.constant_moment(expr, place).await?;
                version_at(&opened.table, micros).await?
            }
            other => return Err(SqlError::unsupported(format_args!("time travel by {other}"))),
        };
        let latest = opened.table.version().unwrap_or_default();
        if version > latest {
            let text =
                format!("Cannot time travel Delta table to version {version}. Available versions: [0, {latest}].");
            return Err(SqlError::new("DELTA_VERSION_NOT_FOUND", "22003", text));
        }
        opened.table.load_version(version).await?;
        Ok(opened)
    }

    /// The value of `TIMESTAMP AS OF`, in microseconds since 1970.
    async fn constant_moment(&self, expr: &Expr, place: &Place) -> SqlResult<i64> {
        let sql = format!("SELECT CAST({expr} AS TIMESTAMP) AS t");
        let value = Box::pin(self.scalar(&sql, place)).await?;
        let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("Etc/UTC".into()));
        let value = arrow::compute::cast(&value, &moment)?;
        if value.is_empty() || value.is_null(0) {
            return Err(SqlError::new(
                "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.INPUT",
                "42K0E",
                "The time travel timestamp expression is NULL.",
            ));
        }
        Ok(value.as_primitive::<TimestampMicrosecondType>().value(0))
    }
}

fn version_number(expr: &Expr) -> SqlResult<Version> {
    let digits = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) | Value::SingleQuotedString(digits) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    };
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        SqlError::new("INVALID_TIME_TRAVEL_SPEC", "42K0E", "The version of a time travel must be a whole number.")
    })
}

/// The last version that was committed at or before a moment. delta-rs clamps to what exists; the service refuses.
async fn version_at(table: &DeltaTable, micros: i64) -> SqlResult<Version> {
    let latest = table.version().unwrap_or_default();
    let newest_first: Vec<Option<i64>> = table.history(None).map_ok(|commit| commit.timestamp).try_collect().await?;
    let asked = micros.div_euclid(1000);
    let shown =
        |millis: i64| chrono::DateTime::from_timestamp_millis(millis).map(|t| t.to_rfc3339()).unwrap_or_default();
    if let Some(last) = newest_first.first().copied().flatten()
        && asked > last
    {
        let text = format!(
            "The provided timestamp ({}) is after the latest version available to this table ({}).",
            shown(asked),
            shown(last)
        );
        return Err(SqlError::new("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", "42816", text));
    }
    for (back, millis) in newest_first.iter().enumerate() {
        if millis.is_some_and(|millis| millis <= asked) {
            return Ok(latest - back as Version);
        }
    }
    let text =
        format!("The provided timestamp ({}) is before the earliest version available to this table.", shown(asked));
    Err(SqlError::new("DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION", "42816", text))
}
