//! Plans: what the server would do with a statement, and what is wrong with it.

mod parse;
mod plan;
mod warning;

#[cfg(test)]
mod tests;

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, StatementRequest};

pub use self::{
    plan::{Cost, Distribution, PlanNode, PlanSite, QueryPlan},
    warning::PlanWarning,
};
use crate::{RedshiftWarehouse, statement::text::Words, views::rows};

impl RedshiftWarehouse {
    /// Asks how the server would run a statement. Nothing is run, though the server may make temporary tables to find out.
    ///
    /// Values are written into the text: a plan depends on them.
    ///
    /// ```no_run
    /// use twinhouse_redshift::{PlanWarning, RedshiftWarehouse};
    /// use twinhouse_warehouse_api::StatementRequest;
    ///
    /// # async fn example(warehouse: RedshiftWarehouse) -> twinhouse_core::Result<()> {
    /// let sql = "select * from sales join event on sales.eventid = event.eventid where qty > :n";
    /// let plan = warehouse.explain(&StatementRequest::read(sql).bind("n", 3)).await?;
    /// for warning in plan.warnings() {
    ///     if let PlanWarning::NestedLoop { .. } = warning {
    ///         println!("a join without a condition: {warning}");
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for what cannot be explained: the server plans SELECT, INSERT, UPDATE, DELETE and CREATE
    /// TABLE AS only. [`ErrorKind::InvalidInput`] for more than one statement: the second would be run, not explained.
    pub async fn explain(&self, request: &StatementRequest) -> Result<QueryPlan> {
        let sql = explanation(request)?;
        self.cluster().check_open()?;
        let lines = rows(self.cluster(), "explain", &sql).await?;
        let lines: Vec<String> = lines.into_iter().filter_map(|line| line.into_iter().next().flatten()).collect();
        parse::parse(&lines.join("\n"))
    }
}

fn explanation(request: &StatementRequest) -> Result<String> {
    let words = Words::of(request.sql());
    if words.is_several() {
        return Err(Error::new(ErrorKind::InvalidInput, "one statement is explained at a time"));
    }
    let table_as = words.verb() == "CREATE" && words.follow(1, &["TABLE"]);
    if !table_as && !matches!(words.verb(), "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE") {
        let why = "only SELECT, INSERT, UPDATE, DELETE and CREATE TABLE AS can be explained";
        return Err(Error::unsupported("redshift", why).with_context("statement", words.verb().to_owned()));
    }
    let sql = RedshiftDialect.inline(request.sql(), request.params())?;
    if sql.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidInput, "a statement cannot contain NUL"));
    }
    Ok(format!("EXPLAIN {sql}"))
}
