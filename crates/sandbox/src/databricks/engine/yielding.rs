//! Joins that give way.

use std::sync::Arc;

use datafusion::{
    common::{
        Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan,
        coop::CooperativeExec,
        joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec},
        unnest::UnnestExec,
    },
};

/// Lets whatever makes many batches of one give way now and then. DataFusion sees to that at the leaves only: a cross
/// join that is at work on one batch from there would neither heed a cancellation nor let other statements run.
#[derive(Debug)]
pub(super) struct Yielding;

impl PhysicalOptimizerRule for Yielding {
    fn name(&self) -> &str {
        "yielding"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let wrapped = plan.transform_up(|plan| {
            if multiplies(plan.as_ref()) {
                return Ok(Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>));
            }
            Ok(Transformed::no(plan))
        });
        wrapped.map(|done| done.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn multiplies(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<CrossJoinExec>()
        || plan.is::<NestedLoopJoinExec>()
        || plan.is::<HashJoinExec>()
        || plan.is::<SortMergeJoinExec>()
        || plan.is::<UnnestExec>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::databricks::engine::session::{base_state, session};

    /// With one thread a query that never gives way is never timed out either: without the rule this does not end.
    #[tokio::test]
    async fn an_endless_join_lets_go_of_its_thread() {
        for join in ["cross join range(1000000) b", "join range(1000000) b on a.value % 2 <= b.value % 3"] {
            let sql = format!("select sum((a.value * b.value) % 7) from range(1000000) a {join}");
            let context = session(&base_state());
            let rows = async { context.sql(&sql).await.expect("a plan").collect().await };
            assert!(tokio::time::timeout(Duration::from_millis(300), rows).await.is_err(), "{join}");
        }
    }
}
