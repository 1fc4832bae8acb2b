//! From the schema a table has to the one that is wanted: plan first, then apply step by step.
//!
//! [`EvolutionPlan::between`] is plain arithmetic on two definitions. [`DeltaTable::evolve_safely`] makes the plan from
//! the table as it is, makes one step, looks at the table again, and plans anew until nothing is left. So a run that
//! broke off half-way is resumed by running it again, and two that run at once help each other along.

mod apply;
mod options;
mod plan;
mod step;

#[cfg(test)]
mod tests;

pub use self::{
    apply::EvolutionReport,
    options::EvolutionOptions,
    plan::{EvolutionPlan, Refusal},
    step::EvolutionStep,
};
