//! ANALYZE TABLE, and what DESCRIBE EXTENDED tells of a column.

use std::{collections::BTreeMap, fmt};

use arrow::{array::AsArray as _, datatypes::DataType as Arrow};
use deltalake::kernel::DataType;
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Engine, Outcome, Request,
        catalog::{Place, schema_mut},
        prepare::{find_column, quote},
        show::comment,
    },
    answer::{answer, texts},
    detail::Files,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{ObjectPath, Parameters, Statistics, delta_type_text},
};

/// What ANALYZE has found out about a table; the service keeps it in its catalog, not in the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableStatistics {
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) rows: Option<u64>,
    pub(crate) columns: BTreeMap<String, ColumnStatistics>,
}

/// Of one column; values in their text form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColumnStatistics {
    min: Option<String>,
    max: Option<String>,
    num_nulls: Option<String>,
    distinct_count: Option<String>,
    avg_col_len: Option<String>,
    max_col_len: Option<String>,
}

impl fmt::Display for TableStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.size)?;
        self.rows.map_or(Ok(()), |rows| write!(f, ", {rows} rows"))
    }
}

impl Engine {
    pub(super) async fn analyze(
        &self,
        table: &ObjectPath,
        statistics: &Statistics,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let fields = opened.fields()?;
        let size = Files::of(&opened)?.bytes;
        let columns: Vec<(String, DataType)> = match statistics {
            Statistics::NoScan => Vec::new(),
            Statistics::OfAll => {
                let known = fields.fields().filter(|field| field.data_type().as_primitive_opt().is_some());
                known.map(|field| (field.name().clone(), field.data_type().clone())).collect()
            }
            Statistics::Of(names) => {
                let mut columns = Vec::with_capacity(names.len());
                for name in names {
                    let column = find_column(&opened, name)?;
                    let data_type = fields.field(&column).map(|field| field.data_type().clone());
                    let data_type = data_type.filter(|data_type| data_type.as_primitive_opt().is_some());
                    let data_type = data_type.ok_or_else(|| {
                        let text = format!("The ANALYZE TABLE FOR COLUMNS command does not support the type of the column {} in the table {}.", quote(name), opened.name);
                        SqlError::new("UNSUPPORTED_FEATURE.ANALYZE_UNSUPPORTED_COLUMN_TYPE", "0A000", text)
                    })?;
                    columns.push((column, data_type));
                }
                columns
            }
        };
        let rows = match statistics {
            Statistics::NoScan => None,
            _ => self.texts(&format!("SELECT count(*) AS n FROM {table}"), place).await?.into_iter().next().flatten(),
        };
        let mut found =
            TableStatistics { size, rows: rows.and_then(|rows| rows.parse().ok()), columns: BTreeMap::new() };
        for (name, data_type) in columns {
            let sql = column_query(table, &name, &data_type);
            let mut values = self.texts(&sql, place).await?.into_iter();
            let mut next = || values.next().flatten();
            found.columns.insert(
                name,
                ColumnStatistics {
                    num_nulls: next(),
                    distinct_count: next(),
                    avg_col_len: next(),
                    max_col_len: next(),
                    min: next(),
                    max: next(),
                },
            );
        }
        let name = &opened.name;
        self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            let entry = schema.tables.get_mut(&name.name).ok_or_else(|| SqlError::table_not_found(name))?;
            // Columns that were not asked for keep what is known of them.
            let mut known = entry.statistics.take().unwrap_or_default().columns;
            known.append(&mut found.columns);
            entry.statistics = Some(TableStatistics { columns: known, ..found });
            Ok(())
        })?;
        Ok(Outcome::Nothing)
    }

    /// The first row of a query, as text.
    async fn texts(&self, sql: &str, place: &Place) -> SqlResult<Vec<Option<String>>> {
        let request = Request { sql: sql.to_owned(), parameters: Parameters::default(), place: place.clone() };
        let Outcome::Rows(stream) = Box::pin(self.run(&request)).await?.0 else {
            return Err(SqlError::internal("no rows"));
        };
        let batches: Vec<_> = stream.try_collect().await?;
        let batch = batches.iter().find(|batch| batch.num_rows() > 0).ok_or_else(|| SqlError::internal("no rows"))?;
        let text = |column: &arrow::array::ArrayRef| {
            let column = arrow::compute::cast(column, &Arrow::Utf8)?;
            Ok(column.as_string::<i32>().iter().next().flatten().map(str::to_owned))
        };
        batch.columns().iter().map(text).collect()
    }

    pub(super) async fn describe_column(&self, table: &ObjectPath, name: &str, place: &Place) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let column = find_column(&opened, name)?;
        let fields = opened.fields()?;
        let field = fields.field(&column).ok_or_else(|| SqlError::internal("a column without a field"))?;
        let known = opened.entry.statistics.as_ref().and_then(|known| known.columns.get(&column)).cloned();
        let known = known.unwrap_or_default();
        let rows = [
            ("col_name", Some(column.clone())),
            ("data_type", Some(delta_type_text(field.data_type()).to_lowercase())),
            ("comment", comment(field)),
            ("min", known.min),
            ("max", known.max),
            ("num_nulls", known.num_nulls),
            ("distinct_count", known.distinct_count),
            ("avg_col_len", known.avg_col_len),
            ("max_col_len", known.max_col_len),
            ("histogram", None),
        ];
        answer(vec![
            ("info_name", texts(rows.iter().map(|(name, _)| Some(*name)))),
            ("info_value", texts(rows.iter().map(|(_, value)| Some(value.as_deref().unwrap_or("NULL"))))),
        ])
    }
}

/// Nulls, distinct values, mean and largest length, smallest and largest value.
fn column_query(table: &ObjectPath, name: &str, data_type: &DataType) -> String {
    let column = quote(name);
    let text = matches!(*data_type, DataType::STRING | DataType::BINARY);
    let lengths = if text {
        format!("CAST(ceil(avg(length({column}))) AS BIGINT), max(length({column}))")
    } else {
        let width = width(data_type);
        format!("{width}, {width}")
    };
    // Texts have no order that a planner could use.
    let ends = if text || *data_type == DataType::BOOLEAN {
        "NULL, NULL".to_owned()
    } else {
        format!("CAST(min({column}) AS STRING), CAST(max({column}) AS STRING)")
    };
    format!("SELECT count(*) - count({column}), count(DISTINCT {column}), {lengths}, {ends} FROM {table}")
}

/// The bytes that a value takes.
fn width(data_type: &DataType) -> u8 {
    match *data_type {
        DataType::BOOLEAN | DataType::BYTE => 1,
        DataType::SHORT => 2,
        DataType::INTEGER | DataType::FLOAT | DataType::DATE => 4,
        DataType::Primitive(deltalake::kernel::PrimitiveType::Decimal(decimal)) if decimal.precision() > 18 => 16,
        _ => 8,
    }
}
