//! Columns, with their part in the keys of their table.

use twinhouse_core::{ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableRef};

use super::table;
use crate::{cluster::Cluster, tables, views::View};

const COLUMNS: View = View {
    name: "svv_redshift_columns",
    columns: &[
        "column_name",
        "ordinal_position",
        "data_type",
        "column_default",
        "is_nullable",
        "encoding",
        "CASE WHEN distkey THEN 't' ELSE 'f' END",
        "sortkey",
        "remarks",
    ],
    later: &[],
};

/// A column of a table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnDetail {
    /// Its name.
    pub name: String,
    /// Its place, from 1.
    pub position: Option<u32>,
    /// Its type, in the server's words.
    pub data_type: Option<String>,
    /// What it holds where a row says nothing, as SQL.
    pub default: Option<String>,
    /// Whether it takes nulls.
    pub nullable: Option<bool>,
    /// How it is compressed: `az64`, `zstd`; `None` where it is not.
    pub encoding: Option<String>,
    /// Whether rows are dealt out by it.
    pub is_dist_key: bool,
    /// Its place in the sort key, from 1; `None` if it has none.
    pub sort_position: Option<u32>,
    /// Whether that key is interleaved.
    pub is_interleaved: bool,
    /// Its comment.
    pub comment: Option<String>,
}

/// How rows are dealt out to the slices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DistStyle {
    /// In turn.
    Even,
    /// By the value of a column.
    Key,
    /// Every node has them all.
    All,
    /// The server decides; what it has decided for now stands in brackets: `ALL`, `EVEN`, `KEY(a)`.
    Auto(Option<String>),
}

impl DistStyle {
    fn of(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        Some(match text.split_once('(') {
            None if text == "EVEN" => Self::Even,
            None if text == "ALL" => Self::All,
            None if text == "KEY" => Self::Key,
            None if text == "AUTO" => Self::Auto(None),
            Some(("KEY", _)) => Self::Key,
            Some(("AUTO", now)) => Self::Auto(Some(now.strip_suffix(')').unwrap_or(now).to_owned())),
            _ => return None,
        })
    }
}

/// The columns that rows are sorted by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SortKey {
    /// First to last.
    pub columns: Vec<String>,
    /// Whether each counts as much as the others.
    pub interleaved: bool,
}

/// How a table is distributed, sorted and compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableKeys {
    /// How rows are dealt out; `None` where the server does not say: of an empty table without a key, or to a user who may
    /// not see it.
    pub dist_style: Option<DistStyle>,
    /// The column that rows are dealt out by.
    pub dist_key: Option<String>,
    /// What rows are sorted by; `None` if they are not.
    pub sort_key: Option<SortKey>,
    /// How columns are compressed, those that are not left out, in their order.
    pub encodings: Vec<(String, String)>,
}

pub(super) async fn columns(cluster: &Cluster, table: &TableRef) -> Result<Vec<ColumnDetail>> {
    let table = tables::describe(cluster, table).await?.info.table;
    read(cluster, &table).await
}

async fn read(cluster: &Cluster, table: &TableRef) -> Result<Vec<ColumnDetail>> {
    let rest = format!(
        "WHERE database_name = {} AND schema_name = {} AND table_name = {} ORDER BY ordinal_position",
        RedshiftDialect.string(table.catalog().unwrap_or_default())?,
        RedshiftDialect.string(table.schema().unwrap_or_default())?,
        RedshiftDialect.string(table.name())?
    );
    let rows = COLUMNS.read(cluster, "tables.columns", &rest).await?;
    rows.into_iter()
        .map(|mut row| {
            let mut column = ColumnDetail {
                name: row.name()?,
                position: row.number()?,
                data_type: row.padded()?,
                default: row.text()?,
                nullable: row.flag()?,
                encoding: row.padded()?.filter(|encoding| encoding != "none"),
                is_dist_key: row.flag()?.unwrap_or(false),
                sort_position: None,
                is_interleaved: false,
                comment: None,
            };
            // Signs alternate in an interleaved key; in a compound one all are positive.
            let place: i32 = row.number()?.unwrap_or(0);
            column.sort_position = Some(place.unsigned_abs()).filter(|place| *place > 0);
            column.is_interleaved = place < 0;
            column.comment = row.padded()?;
            Ok(column)
        })
        .collect()
}

pub(super) async fn keys(cluster: &Cluster, table: &TableRef) -> Result<TableKeys> {
    let table = tables::describe(cluster, table).await?.info.table;
    let columns = read(cluster, &table).await?;
    let stats = match table::stats_of(cluster, &table).await {
        Ok(stats) => stats,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        Err(error) => return Err(error),
    };
    Ok(keys_of(&columns, stats.and_then(|stats| stats.dist_style).as_deref()))
}

pub(super) fn keys_of(columns: &[ColumnDetail], dist_style: Option<&str>) -> TableKeys {
    let dist_key = columns.iter().find(|column| column.is_dist_key).map(|column| column.name.clone());
    let mut sorted: Vec<_> = columns.iter().filter(|column| column.sort_position.is_some()).collect();
    sorted.sort_by_key(|column| column.sort_position);
    TableKeys {
        dist_style: dist_style.and_then(DistStyle::of).or_else(|| dist_key.is_some().then_some(DistStyle::Key)),
        dist_key,
        sort_key: (!sorted.is_empty()).then(|| SortKey {
            columns: sorted.iter().map(|column| column.name.clone()).collect(),
            interleaved: sorted.iter().any(|column| column.is_interleaved),
        }),
        encodings: columns.iter().filter_map(|column| Some((column.name.clone(), column.encoding.clone()?))).collect(),
    }
}
