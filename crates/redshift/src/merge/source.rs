//! Where the rows of a merge come from.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, Fit, RedshiftDialect, StatementRequest, TableRef};

use super::plan::Wish;
use crate::{
    cluster::Cluster,
    decode::Kind,
    load::Call,
    tables::{Described, describe},
};

/// A relation on the server, and the columns it gives.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// What stands behind FROM.
    from: String,
    columns: Schema,
}

/// What a query is called inside of another.
const ALIAS: &str = "\"source\"";

impl Relation {
    pub(super) async fn table(cluster: &Cluster, table: &TableRef) -> Result<Self> {
        let table = describe(cluster, table).await?;
        let columns = table.info.schema().as_ref().clone();
        Ok(Self { from: format!("{} AS {ALIAS}", table.sql_name()?), columns })
    }

    /// The server says which columns the query gives, without running it. A number whose digits it does not state is
    /// taken for what the target holds.
    pub(super) async fn query(
        cluster: &Cluster,
        call: &Call,
        query: &StatementRequest,
        target: &Described,
    ) -> Result<Self> {
        let sql = RedshiftDialect.inline(query.sql(), query.params())?;
        let sql = sql.trim_end().trim_end_matches(';');
        let mut session = call.session(cluster).await?;
        let Some(described) = session.prepare(sql, &[]).await? else {
            return Err(Error::new(ErrorKind::InvalidInput, "the source of a merge must be a query that gives rows"));
        };
        let field = |column: &crate::wire::message::WireColumn| {
            let stated = match Kind::of(column) {
                Kind::Open => None,
                kind => Some(kind.data_type()),
            };
            let alike =
                target.info.columns.iter().find(|known| known.name.to_lowercase() == column.name.to_lowercase());
            let data_type = stated.or_else(|| alike.map(|known| known.data_type.clone()));
            Field::new(&column.name, data_type.unwrap_or_else(|| Kind::Open.data_type()), true)
        };
        let columns = Schema::new(described.iter().map(field).collect::<Vec<_>>());
        // The query may end in a comment.
        Ok(Self { from: format!("(\n{sql}\n) AS {ALIAS}"), columns })
    }

    /// The columns of the target that come, in its order.
    pub(super) fn fit(&self, wish: &Wish, target: &Described) -> Result<SchemaRef> {
        let fit = Fit::plan(&target.for_rows_of(&self.columns, wish.insert), &self.columns)?;
        Ok(Arc::clone(fit.schema()))
    }

    /// Creates the stage and fills it; its columns are called as the target's.
    pub(super) fn create_stage(&self, stage: &str, coming: &Schema) -> Result<String> {
        let mut items = Vec::new();
        for field in coming.fields() {
            let name = field.name();
            let names = || self.columns.fields().iter().map(|field| field.name());
            let exact = names().find(|known| *known == name);
            let source = exact.or_else(|| names().find(|known| known.to_lowercase() == name.to_lowercase()));
            let source = source.ok_or_else(|| Error::new(ErrorKind::Internal, "a column that fits has no source"))?;
            items.push(format!("{ALIAS}.{} AS {}", RedshiftDialect.quote(source)?, RedshiftDialect.quote(name)?));
        }
        Ok(format!("CREATE TEMP TABLE {stage} AS SELECT {} FROM {}", items.join(", "), self.from))
    }

    #[cfg(test)]
    pub(super) fn new(from: &str, columns: Schema) -> Self {
        Self { from: from.to_owned(), columns }
    }
}
