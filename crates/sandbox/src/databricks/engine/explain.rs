//! EXPLAIN: the engine's own plan, under the service's headings.

use std::sync::Arc;

use arrow::array::StringArray;
use datafusion::physical_plan::displayable;

use super::{Engine, Outcome, catalog::Place, show::batch};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{ExplainMode, Lexed, Statement},
};

impl Engine {
    /// A query that cannot be planned is explained by its error, as the service does.
    pub(super) async fn explain(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        mode: ExplainMode,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let text = match self.explained(lexed, statement, mode, place).await {
            Ok(text) => text,
            Err(error) => format!("Error occurred during query planning: \n{}", error.message()),
        };
        batch(vec![("plan", Arc::new(StringArray::from(vec![text])))])
    }

    async fn explained(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        mode: ExplainMode,
        place: &Place,
    ) -> SqlResult<String> {
        let prepared = self.prepare(lexed, statement, place, &[], Vec::new()).await?;
        let Statement::Explain { query, .. } = &prepared.statement else {
            return Err(SqlError::internal("not a query"));
        };
        let (state, plan) = prepared.frame(query).await?.into_parts();
        let optimized = state.optimize(&plan)?;
        let physical = state.create_physical_plan(&plan).await?;
        let mut text = String::new();
        if mode == ExplainMode::Extended {
            text += &format!("== Analyzed Logical Plan ==\n{}\n\n", plan.display_indent());
            text += &format!("== Optimized Logical Plan ==\n{}\n\n", optimized.display_indent());
        }
        text += &format!("== Physical Plan ==\n{}", displayable(physical.as_ref()).indent(false));
        Ok(text)
    }
}
