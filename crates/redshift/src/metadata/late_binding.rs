//! Views that look for their tables only when they are read.

use std::sync::Arc;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, Expression, RedshiftDialect, TableFilter, TableRef};

use crate::{
    cluster::Cluster,
    command,
    statement::text::Words,
    views::{Listing, View, wanted},
};

const COLUMNS: View = View {
    name: "pg_get_late_binding_view_cols() \
           cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)",
    columns: &["view_schema", "view_name", "col_name", "col_type", "col_num"],
    later: &[],
};

/// A column of a late-binding view.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LateBindingColumn {
    /// The view, with its schema.
    pub view: TableRef,
    /// The column.
    pub name: String,
    /// Its type, in the server's words.
    pub data_type: Option<String>,
    /// Its place, from 1.
    pub position: i32,
}

pub(super) fn columns(cluster: Arc<Cluster>, filter: &TableFilter) -> BoxStream<'static, Result<LateBindingColumn>> {
    let wanted = match wanted(filter, [None, Some("view_schema"), Some("view_name")]) {
        Ok(wanted) => wanted,
        Err(error) => return stream::once(async { Err(error) }).boxed(),
    };
    Listing {
        operation: "views.late_binding",
        view: COLUMNS,
        wanted,
        order: &["view_schema", "view_name", "col_num"],
        descending: false,
        key: |column: &LateBindingColumn| {
            let schema = RedshiftDialect.string(column.view.schema().unwrap_or_default())?;
            Ok(vec![schema, RedshiftDialect.string(column.view.name())?, column.position.to_string()])
        },
        read: |row| {
            let (schema, view, name) = (row.name()?, row.name()?, row.name()?);
            Ok(LateBindingColumn {
                view: TableRef::new(view).with_schema(schema),
                name,
                data_type: row.padded()?,
                position: row.number()?.unwrap_or(0),
            })
        },
    }
    .stream(cluster)
}

pub(super) async fn create(cluster: &Cluster, view: &TableRef, select: &Expression, replace: bool) -> Result<()> {
    command::run(cluster, "views.create", &[&create_sql(view, select, replace)?]).await.map(drop)
}

pub(super) fn create_sql(view: &TableRef, select: &Expression, replace: bool) -> Result<String> {
    let words = Words::of(select.sql());
    if words.is_several() || !matches!(words.verb(), "SELECT" | "WITH") {
        return Err(Error::new(ErrorKind::InvalidInput, "a view is made of one query"));
    }
    let select = RedshiftDialect.inline(select.sql(), select.params())?;
    let (create, view) = (if replace { "CREATE OR REPLACE VIEW" } else { "CREATE VIEW" }, RedshiftDialect.table(view)?);
    // On a line of its own: the query may end with a comment.
    Ok(format!("{create} {view} AS {}\nWITH NO SCHEMA BINDING", select.trim_end().trim_end_matches(';')))
}
