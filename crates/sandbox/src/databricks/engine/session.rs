//! The DataFusion session of one statement.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::{
    catalog::{MemoryCatalogProviderList, TableProvider, view::ViewTable},
    datasource::provider_as_source,
    execution::{SessionState, SessionStateBuilder, runtime_env::RuntimeEnv},
    logical_expr::{LogicalPlanBuilder, ident},
    prelude::{SessionConfig, SessionContext},
};
use deltalake::delta_datafusion::planner::DeltaPlanner;

use super::yielding::Yielding;
use crate::databricks::{
    error::SqlResult,
    sql::{Arithmetic, Spelling, SqlTypes, scalar_functions, sum},
};

/// The state from which each statement's session is made.
pub(super) fn base_state() -> SessionState {
    let mut config = SessionConfig::new().with_batch_size(8192).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.support_varchar_with_length = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    options.execution.parquet.schema_force_view_types = false;
    options.execution.time_zone = Some("UTC".to_owned());
    // As delta-rs sets them: the pushed-down lists panic on dictionary keys.
    options.optimizer.hash_join_inlist_pushdown_max_size = 0;
    options.optimizer.hash_join_inlist_pushdown_max_distinct_values = 0;
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(Arc::new(RuntimeEnv::default()))
        .with_query_planner(DeltaPlanner::new())
        .with_type_planner(Arc::new(SqlTypes))
        .with_physical_optimizer_rule(Arc::new(Yielding))
        .build();
    let mut planners = vec![Arc::new(Arithmetic) as Arc<dyn datafusion::logical_expr::planner::ExprPlanner>];
    planners.extend(state.expr_planners().iter().cloned());
    // A function of DataFusion can carry one of our names as an alias: `to_char` is `date_format` there.
    let own = scalar_functions();
    let named = |name: &str| own.iter().any(|function| function.name() == name);
    let kept = state
        .scalar_functions()
        .values()
        .filter(|known| !named(known.name()) && !known.aliases().iter().any(|alias| named(alias)));
    let functions: Vec<_> = kept.cloned().chain(own.iter().cloned()).collect();
    let aggregates = state.aggregate_functions().values().filter(|known| known.name() != "sum").cloned();
    let aggregates: Vec<_> = aggregates.chain([sum()]).collect();
    SessionStateBuilder::new_from_existing(state)
        .with_aggregate_functions(aggregates)
        .with_expr_planners(planners)
        .with_scalar_functions(functions)
        .build()
}

/// A session that sees no tables yet.
pub(super) fn session(base: &SessionState) -> SessionContext {
    let state = SessionStateBuilder::new_from_existing(base.clone())
        .with_config(base.config().clone().with_create_default_catalog_and_schema(true))
        .with_session_id(uuid::Uuid::new_v4().to_string())
        .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
        .build();
    SessionContext::new_with_state(state)
}

/// The table with its columns spelled as the statement spells them.
pub(super) fn respell(provider: Arc<dyn TableProvider>, spelling: &Spelling) -> SqlResult<Arc<dyn TableProvider>> {
    let schema: SchemaRef = provider.schema();
    if schema.fields().iter().all(|field| spelling.of(field.name()) == *field.name()) {
        return Ok(provider);
    }
    let columns = schema.fields().iter().map(|field| ident(field.name()).alias(spelling.of(field.name())));
    let plan =
        LogicalPlanBuilder::scan("__respelled", provider_as_source(provider), None)?.project(columns)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
