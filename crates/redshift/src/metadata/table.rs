//! Tables: whose they are, how large, how much in order.

use std::{sync::Arc, time::SystemTime};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::Result;
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableFilter, TableKind, TableRef};

use crate::{
    cluster::Cluster,
    tables,
    views::{Listing, View, wanted},
};

const TABLES: View = View {
    name: "svv_redshift_tables",
    columns: &["database_name", "schema_name", "table_name", "table_type", "table_acl", "remarks"],
    later: &["table_owner"],
};
const STATS: View = View {
    name: "svv_table_info",
    columns: &[
        "database",
        "schema",
        "\"table\"",
        "table_id",
        "encoded",
        "diststyle",
        "sortkey1",
        "max_varchar",
        "sortkey_num",
        "size",
        "pct_used",
        "unsorted",
        "stats_off",
        "tbl_rows",
        "skew_sortkey1",
        "skew_rows",
    ],
    later: &["estimated_visible_rows", "risk_event", "vacuum_sort_benefit", "create_time"],
};

/// A table or view that is not external.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableDetail {
    /// Its full name.
    pub table: TableRef,
    /// What it is.
    pub kind: TableKind,
    /// Who owns it.
    pub owner: Option<String>,
    /// Who may do what, in the server's words.
    pub permissions: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
}

/// Size, order and statistics of a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TableStats {
    /// Its full name.
    pub table: TableRef,
    /// Its number, as the load errors have it.
    pub id: Option<u32>,
    /// Whether columns are compressed, in the server's words: `Y`, `N`, `AUTO(ENCODE)`.
    pub encoded: Option<String>,
    /// How its rows are dealt out: `EVEN`, `KEY(a)`, `AUTO(ALL)`.
    pub dist_style: Option<String>,
    /// The first column of its sort key, or `AUTO(SORTKEY)`.
    pub sort_key: Option<String>,
    /// How many columns its sort key has.
    pub sort_keys: Option<u32>,
    /// The length of its longest VARCHAR, in bytes.
    pub longest_varchar: Option<u32>,
    /// In blocks of 1 MB.
    pub size_mb: Option<u64>,
    /// Of the space there is.
    pub used_percent: Option<f64>,
    /// How much of it is not sorted.
    pub unsorted_percent: Option<f64>,
    /// How far its statistics are off; 100 is out of date altogether.
    pub statistics_off_percent: Option<f64>,
    /// How many rows it has, deleted ones included.
    pub rows: Option<u64>,
    /// How many of them can be seen, estimated.
    pub visible_rows: Option<u64>,
    /// The largest column that is no sort key by the first that is.
    pub sort_key_skew: Option<f64>,
    /// The fullest slice by the emptiest.
    pub row_skew: Option<f64>,
    /// What the server warns of.
    pub risk: Option<String>,
    /// By how much sorting would shorten scans, in percent.
    pub vacuum_benefit_percent: Option<f64>,
    /// When it was made.
    pub created: Option<SystemTime>,
}

fn full_key(table: &TableRef) -> Result<Vec<String>> {
    [table.catalog(), table.schema(), Some(table.name())]
        .into_iter()
        .map(|part| RedshiftDialect.string(part.unwrap_or_default()))
        .collect()
}

pub(super) fn tables(cluster: Arc<Cluster>, filter: &TableFilter) -> BoxStream<'static, Result<TableDetail>> {
    let mut wanted = match wanted(filter, [Some("database_name"), Some("schema_name"), Some("table_name")]) {
        Ok(wanted) => wanted,
        Err(error) => return stream::once(async { Err(error) }).boxed(),
    };
    if filter.schema.is_none() {
        // Nobody's own schema begins like this.
        wanted.push("LEFT(schema_name, 3) <> 'pg_' AND schema_name <> 'information_schema'".to_owned());
    }
    Listing {
        operation: "tables.details",
        view: TABLES,
        wanted,
        order: &["database_name", "schema_name", "table_name"],
        descending: false,
        key: |table: &TableDetail| full_key(&table.table),
        read: |row| {
            let (database, schema, name) = (row.name()?, row.name()?, row.name()?);
            Ok(TableDetail {
                table: TableRef::new(name).with_schema(schema).with_catalog(database),
                kind: tables::kind(&row.padded()?.unwrap_or_default()),
                permissions: row.padded()?,
                comment: row.padded()?,
                owner: row.padded()?,
            })
        },
    }
    .stream(cluster)
}

pub(super) fn stats(cluster: Arc<Cluster>, filter: &TableFilter) -> BoxStream<'static, Result<TableStats>> {
    match wanted(filter, [Some("database"), Some("schema"), Some("\"table\"")]) {
        Ok(wanted) => listing(wanted).stream(cluster),
        Err(error) => stream::once(async { Err(error) }).boxed(),
    }
}

/// The row of one table, unless it is empty or the user may not see it.
pub(super) async fn stats_of(cluster: &Cluster, table: &TableRef) -> Result<Option<TableStats>> {
    let rest = format!(
        "WHERE schema = {} AND \"table\" = {} LIMIT 1",
        RedshiftDialect.string(table.schema().unwrap_or_default())?,
        RedshiftDialect.string(table.name())?
    );
    let rows = STATS.read(cluster, "tables.stats", &rest).await?;
    rows.into_iter().next().map(|mut row| (listing(Vec::new()).read)(&mut row)).transpose()
}

fn listing(wanted: Vec<String>) -> Listing<TableStats> {
    Listing {
        operation: "tables.stats",
        view: STATS,
        wanted,
        order: &["database", "schema", "\"table\""],
        descending: false,
        key: |stats: &TableStats| full_key(&stats.table),
        read: |row| {
            let (database, schema, name) = (row.name()?, row.name()?, row.name()?);
            Ok(TableStats {
                table: TableRef::new(name).with_schema(schema).with_catalog(database),
                id: row.number()?,
                encoded: row.padded()?,
                dist_style: row.padded()?,
                sort_key: row.padded()?,
                longest_varchar: row.number()?,
                sort_keys: row.number()?,
                size_mb: row.count()?,
                used_percent: row.number()?,
                unsorted_percent: row.number()?,
                statistics_off_percent: row.number()?,
                rows: row.count()?,
                sort_key_skew: row.number()?,
                row_skew: row.number()?,
                visible_rows: row.count()?,
                risk: row.padded()?,
                vacuum_benefit_percent: row.number()?,
                created: row.time()?,
            })
        },
    }
}
