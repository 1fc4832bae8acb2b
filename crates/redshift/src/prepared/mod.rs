//! Prepared statements that outlive the sessions they were prepared on.
//!
//! A statement is prepared on a session when it first runs there, and again after whatever makes Redshift forget or distrust
//! it: DDL, a rollback, a change of its tables, another connection.

mod batch;
mod definition;
mod kept;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::StreamExt as _;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{BatchStream, CallOptions, Intent, Params, StatementRequest};

pub(crate) use self::{definition::Definition, kept::Kept};
use crate::{cluster::Cluster, decode::oid, pool::Extras, statement, transaction::RedshiftTransaction};

/// The type that a parameter is announced with. One that is not declared takes the type of its value; text and null take
/// that of the place they stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParameterType {
    /// `boolean`
    Boolean,
    /// `smallint`
    SmallInt,
    /// `integer`
    Integer,
    /// `bigint`
    BigInt,
    /// `real`
    Real,
    /// `double precision`
    DoublePrecision,
    /// `numeric`
    Numeric,
    /// `varchar`
    Varchar,
    /// `date`
    Date,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    TimestampTz,
}

impl ParameterType {
    fn oid(self) -> u32 {
        match self {
            Self::Boolean => oid::BOOL,
            Self::SmallInt => oid::INT2,
            Self::Integer => oid::INT4,
            Self::BigInt => oid::INT8,
            Self::Real => oid::FLOAT4,
            Self::DoublePrecision => oid::FLOAT8,
            Self::Numeric => oid::NUMERIC,
            Self::Varchar => oid::VARCHAR,
            Self::Date => oid::DATE,
            Self::Timestamp => oid::TIMESTAMP,
            Self::TimestampTz => oid::TIMESTAMPTZ,
        }
    }
}

/// A statement that the server parses and plans once for each connection, and runs many times. Cheap to clone.
///
/// Connections let go of it when they are next used after its last clone was dropped.
///
/// ```no_run
/// use twinhouse_redshift::{ParameterType, RedshiftWarehouse};
/// use twinhouse_warehouse_api::Params;
///
/// # async fn example(warehouse: &RedshiftWarehouse) -> twinhouse_core::Result<()> {
/// let types = [("total", ParameterType::Numeric)];
/// let raise = warehouse.prepare("update orders set total = total + :total where id = :id", &types).await?;
/// raise.execute(Params::new().bind("total", "1.50").bind("id", 7)).await?;
/// let counts = raise.execute_batch((1..=3).map(|id| Params::new().bind("total", "0.10").bind("id", id))).await?;
/// assert_eq!(counts.len(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PreparedStatement {
    cluster: Arc<Cluster>,
    definition: Arc<Definition>,
    options: CallOptions,
}

impl PreparedStatement {
    /// Has a server read it, so that its mistakes show now.
    pub(crate) async fn prepare(cluster: Arc<Cluster>, sql: &str, types: &[(&str, ParameterType)]) -> Result<Self> {
        let definition = Arc::new(Definition::of(sql, types)?);
        let mut session = cluster.pool().checkout().await?;
        session.connection().explain_with(Some(definition.source().clone()));
        session.keep(&definition, &definition.declared(), &Extras::default()).await?;
        drop(session);
        Ok(Self { cluster, definition, options: CallOptions::default() })
    }

    /// The same statement with these options for each of its calls.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// The names of its parameters, each once, in the order of their first places.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.definition.parameters()
    }

    /// The columns of its rows as the server described them when it was prepared; none if it gives no rows.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.definition.schema()
    }

    /// Runs it and streams its rows. It may be repeated on a lost connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) if values and markers do not agree, or the
    /// statement changes rows: that is for [`execute`](Self::execute), which never repeats what may have been done. Whatever
    /// the statement fails with.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream before its end, cancels the statement on the server.
    pub async fn query(&self, params: Params) -> Result<BatchStream> {
        let plan = self.definition.plan(&params)?;
        if !self.definition.gives_rows() {
            return Err(Error::new(ErrorKind::InvalidInput, "the statement changes rows: use `execute`"));
        }
        statement::submit_plan(self.cluster.clone(), plan, self.request(Intent::Read)).await?.stream().await
    }

    /// Runs it to its end and answers how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement on the server.
    pub async fn execute(&self, params: Params) -> Result<u64> {
        let plan = self.definition.plan(&params)?;
        let handle = statement::submit_plan(self.cluster.clone(), plan, self.request(Intent::Write)).await?;
        Ok(handle.finish().await?.unwrap_or(0))
    }

    /// Runs it once for each set of values, in one transaction: all of them or none. Answers how many rows each changed.
    ///
    /// For more than some thousand rows use [`load`](twinhouse_warehouse_api::Warehouse::load): Redshift is slow at single
    /// rows.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), with the number of the set, counted from 1, as context `set`. A conflict with another
    /// transaction is tried again as a whole, a bounded number of times.
    ///
    /// # Cancellation
    ///
    /// Dropping the future rolls back.
    pub async fn execute_batch(&self, sets: impl IntoIterator<Item = Params>) -> Result<Vec<u64>> {
        batch::run(&self.cluster, &self.definition, &self.options, sets).await
    }

    /// Lets go of it; the same as dropping every clone.
    pub fn deallocate(self) {
        drop(self);
    }

    fn request(&self, intent: Intent) -> StatementRequest {
        StatementRequest::read(self.definition.sql.clone()).with_intent(intent).with_options(self.options.clone())
    }
}

impl RedshiftTransaction {
    /// Runs a prepared statement in this transaction and streams its rows.
    ///
    /// # Errors
    ///
    /// As [`PreparedStatement::query`]; a failure spoils the transaction.
    pub async fn query_prepared(&mut self, statement: &PreparedStatement, params: Params) -> Result<BatchStream> {
        let plan = statement.definition.plan(&params)?;
        self.query_plan(plan, &statement.options).await
    }

    /// Runs a prepared statement in this transaction to its end and answers how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`query_prepared`](Self::query_prepared).
    pub async fn execute_prepared(&mut self, statement: &PreparedStatement, params: Params) -> Result<u64> {
        let mut stream = self.query_prepared(statement, params).await?;
        while let Some(batch) = stream.next().await {
            batch?;
        }
        Ok(stream.rows_affected().unwrap_or(0))
    }
}
