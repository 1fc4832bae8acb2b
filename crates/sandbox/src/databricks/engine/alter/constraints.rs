//! CHECK constraints.

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::Int64Type,
};
use futures::TryStreamExt;
use serde_json::json;

use crate::databricks::{
    engine::{
        Engine, Outcome, Request,
        catalog::Place,
        ddl::table_text,
        metadata::{CONSTRAINT, Definition},
        tables::Opened,
    },
    error::{SqlError, SqlResult},
    sql::{Parameters, respell_text},
};

impl Engine {
    pub(super) async fn add_constraint(
        &self,
        opened: &Opened,
        name: &str,
        check: &str,
        place: &Place,
    ) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        let key = format!("{CONSTRAINT}{}", name.to_lowercase());
        if let Some(old) = definition.properties.get(&key) {
            let text = format!(
                "Constraint '{name}' already exists. Please delete the old constraint first. Old constraint: {old}."
            );
            return Err(SqlError::new("DELTA_CONSTRAINT_ALREADY_EXISTS", "42710", text));
        }
        let check = respell_text(check, opened.arrow_schema()?.as_ref())?;
        self.check_boolean(opened, name, &check, place).await?;
        let table = table_text(&opened.name);
        let count = self.count(&format!("{table} WHERE NOT ({check}) OR ({check}) IS NULL"), place).await?;
        if count > 0 {
            let text = format!("{count} rows in {table} violate the new CHECK constraint ({check}).");
            return Err(SqlError::new("DELTA_NEW_CHECK_CONSTRAINT_VIOLATION", "23512", text));
        }
        definition.properties.insert(key, check.clone());
        let parameters = json!({ "name": name, "expr": check });
        self.commit_definition(opened, &definition, "ADD CONSTRAINT", parameters).await
    }

    /// Refuses an expression that does not plan over the table's columns, or is no condition.
    async fn check_boolean(&self, opened: &Opened, name: &str, check: &str, place: &Place) -> SqlResult<()> {
        let sql = format!("DESCRIBE QUERY SELECT ({check}) FROM {}", table_text(&opened.name));
        let request = Request { sql, parameters: Parameters::default(), place: place.clone() };
        let Outcome::Rows(stream) = Box::pin(self.run(&request)).await?.0 else {
            return Err(SqlError::internal("no rows"));
        };
        let described: Vec<RecordBatch> = stream.try_collect().await?;
        let kinds = described.iter().flat_map(|batch| batch.column(1).as_string::<i32>().iter().flatten());
        if kinds.eq(["boolean"]) {
            return Ok(());
        }
        let text = format!("CHECK constraint '{name}' ({check}) should be a boolean expression.");
        Err(SqlError::new("DELTA_NON_BOOLEAN_CHECK_CONSTRAINT", "42621", text))
    }

    pub(super) async fn drop_constraint(&self, opened: &Opened, name: &str, if_exists: bool) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        let key = format!("{CONSTRAINT}{}", name.to_lowercase());
        match definition.properties.remove(&key) {
            Some(check) => {
                let parameters = json!({ "name": name, "expr": check });
                self.commit_definition(opened, &definition, "DROP CONSTRAINT", parameters).await
            }
            None if if_exists => Ok(()),
            None => {
                let text = format!(
                    "Cannot drop nonexistent constraint {name} from table {}. To avoid throwing an error, provide the \
                     parameter IF EXISTS.",
                    table_text(&opened.name)
                );
                Err(SqlError::new("DELTA_CONSTRAINT_DOES_NOT_EXIST", "42704", text))
            }
        }
    }

    /// How many rows `FROM <rest>` gives.
    pub(in crate::databricks::engine) async fn count(&self, rest: &str, place: &Place) -> SqlResult<i64> {
        let found = Box::pin(self.scalar(&format!("SELECT count(*) FROM {rest}"), place)).await?;
        Ok(found.as_primitive::<Int64Type>().value(0))
    }
}
