//! Makes the steps of an evolution.

use twinhouse_core::{Error, ErrorKind, Result};

use super::{options::EvolutionOptions, plan::EvolutionPlan, step::EvolutionStep};
use crate::{ddl::TableDescription, schema::TableSchema, table::DeltaTable};

/// Steps beyond those of the first plan, for tables that others change at the same time.
const SPARE: usize = 16;

/// What an evolution did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EvolutionReport {
    /// The steps that were made, in order. None: the table was as wanted.
    pub applied: Vec<EvolutionStep>,
    /// What the plans warned of.
    pub warnings: Vec<String>,
}

impl DeltaTable {
    /// Plans the way from the table as it is to a wanted schema. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`describe`](Self::describe) and [`EvolutionPlan::between`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement at work.
    pub async fn plan_evolution(&self, wanted: &TableSchema, options: &EvolutionOptions) -> Result<EvolutionPlan> {
        EvolutionPlan::between(&self.describe().await?, wanted, options)
    }

    /// The statement of a step of this table.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for names that cannot be quoted.
    pub fn step_sql(&self, step: &EvolutionStep) -> Result<String> {
        Ok(format!("ALTER TABLE {} {}", self.sql_name()?, step.change()?))
    }

    /// Brings the table to a wanted schema: plans, makes one step, looks again, until nothing is left to do.
    ///
    /// It may be run again after it broke off, and at the same time by others: what is done already is not done again.
    ///
    /// ```no_run
    /// # async fn example(orders: twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
    /// use twinhouse_delta::{EvolutionOptions, schema::{Column, DeltaType, TableSchema}};
    ///
    /// let wanted = TableSchema::new([Column::new("id", DeltaType::Long), Column::new("note", DeltaType::String)]);
    /// let report = orders.evolve_safely(&wanted, &EvolutionOptions::default()).await?;
    /// for step in &report.applied {
    ///     println!("{step}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], before anything is changed, if the table cannot become what is wanted or the options
    /// forbid it; [`ErrorKind::Conflict`] if others keep changing it. Whatever else a step fails with names the steps
    /// that were made before it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the step under way; those before it stay made. Run it again to go on.
    pub async fn evolve_safely(&self, wanted: &TableSchema, options: &EvolutionOptions) -> Result<EvolutionReport> {
        let mut report = EvolutionReport::default();
        let mut left = SPARE;
        let mut first = true;
        loop {
            let done = |error: Error| match report.applied.as_slice() {
                [] => error,
                steps => {
                    let said: Vec<String> = steps.iter().map(ToString::to_string).collect();
                    error.with_context("already done", said.join("; "))
                }
            };
            let present: TableDescription = self.describe().await.map_err(done)?;
            let plan = EvolutionPlan::between(&present, wanted, options).map_err(done)?;
            plan.check().map_err(done)?;
            if std::mem::take(&mut first) {
                left += plan.steps.len();
            }
            for warning in plan.warnings {
                if !report.warnings.contains(&warning) {
                    report.warnings.push(warning);
                }
            }
            let Some(step) = plan.steps.into_iter().next() else { return Ok(report) };
            left = left.checked_sub(1).ok_or_else(|| {
                done(Error::new(
                    ErrorKind::Conflict,
                    "the table keeps changing under its evolution: run it again later",
                ))
            })?;
            match self.define("delta.evolve", self.step_sql(&step)?).await {
                Ok(()) => report.applied.push(step),
                Err(error) if self.made_by_another(&error, &step, wanted, options).await => {}
                Err(error) => return Err(done(error).with_context("step", step.to_string())),
            }
        }
    }

    /// Whether a step failed because somebody else has made it.
    async fn made_by_another(
        &self,
        error: &Error,
        step: &EvolutionStep,
        wanted: &TableSchema,
        options: &EvolutionOptions,
    ) -> bool {
        if !matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound | ErrorKind::Conflict) {
            return false;
        }
        self.plan_evolution(wanted, options).await.is_ok_and(|plan| !plan.steps.contains(step))
    }
}
