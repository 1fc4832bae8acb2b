//! ALTER TABLE: each change is one commit of a new definition; no file is rewritten.

mod columns;
mod constraints;
mod properties;

use serde_json::json;

use super::{
    Engine, Outcome,
    catalog::{Place, check_name, schema_mut},
    ddl::{already_exists, check_clustering},
    fields::spelled,
    keys::no_primary_key,
    metadata::Definition,
    tables::Opened,
};
use crate::databricks::{
    error::{CONFLICT, SqlError, SqlResult},
    sql::{ObjectPath, TableChange},
};

/// How often a change that lost against another commit is begun anew, from the table as it is then.
const ATTEMPTS: usize = 10;

impl Engine {
    pub(super) async fn alter_table(
        &self,
        table: &ObjectPath,
        change: &TableChange,
        place: &Place,
    ) -> SqlResult<Outcome> {
        if let TableChange::Rename(to) = change {
            return self.rename_table(table, to, place);
        }
        for attempt in 1.. {
            let opened = self.open_table(table, place).await?;
            match self.alter_opened(&opened, change, place).await {
                Err(error) if attempt < ATTEMPTS && error.sqlstate() == CONFLICT => {
                    tracing::debug!(attempt, "a change of a table lost against another commit");
                }
                other => return other.map(|()| Outcome::Nothing),
            }
        }
        Err(SqlError::internal("ALTER TABLE gave up"))
    }

    async fn alter_opened(&self, opened: &Opened, change: &TableChange, place: &Place) -> SqlResult<()> {
        match change {
            TableChange::AddColumns(columns) => self.add_columns(opened, columns).await,
            TableChange::AlterColumn { column, change } => self.alter_column(opened, column, change, place).await,
            TableChange::RenameColumn { column, to } => self.rename_column(opened, column, to).await,
            TableChange::DropColumns { columns, if_exists } => self.drop_columns(opened, columns, *if_exists).await,
            TableChange::AddConstraint { name, check } => self.add_constraint(opened, name, check, place).await,
            TableChange::AddKey(key) => self.add_key(&opened.name, key, place).await.map(drop),
            TableChange::DropConstraint { name, if_exists, cascade } => {
                if self.drop_key(&opened.name, Some(name), *cascade)? {
                    return Ok(());
                }
                self.drop_constraint(opened, name, *if_exists).await
            }
            TableChange::DropPrimaryKey { if_exists, cascade } => {
                let dropped = self.drop_key(&opened.name, None, *cascade)?;
                if dropped || *if_exists { Ok(()) } else { Err(no_primary_key(&opened.name)) }
            }
            TableChange::SetProperties(properties) => self.set_properties(opened, properties).await,
            TableChange::UnsetProperties { keys, if_exists } => self.unset_properties(opened, keys, *if_exists).await,
            TableChange::ClusterBy(columns) => self.cluster_by(opened, columns).await,
            TableChange::Rename(_) => Err(SqlError::internal("a table is renamed in the catalog")),
        }
    }

    async fn cluster_by(&self, opened: &Opened, columns: &[Vec<String>]) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        if !definition.partitions.is_empty() {
            return Err(SqlError::new(
                "DELTA_ALTER_TABLE_CLUSTER_BY_ON_PARTITIONED_TABLE_NOT_ALLOWED",
                "42000",
                "ALTER TABLE CLUSTER BY cannot be applied to a partitioned table.",
            ));
        }
        let old = definition.clustering();
        let new = columns.iter().map(|path| spelled(&definition.schema, path)).collect::<SqlResult<Vec<_>>>()?;
        check_clustering(&new)?;
        if old == new {
            return Ok(());
        }
        definition.set_clustering(&new)?;
        let names = |paths: &[Vec<String>]| paths.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(",");
        let parameters = json!({ "oldClusteringColumns": names(&old), "newClusteringColumns": names(&new) });
        self.commit_definition(opened, &definition, "CLUSTER BY", parameters).await
    }

    fn rename_table(&self, from: &ObjectPath, to: &ObjectPath, place: &Place) -> SqlResult<Outcome> {
        let (from, to) = (place.resolve(from)?, place.resolve(to)?);
        check_name(&to.name)?;
        if from.catalog != to.catalog {
            return Err(SqlError::unsupported("ALTER TABLE … RENAME TO another catalog"));
        }
        self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &from.catalog, &from.schema)?;
            let entry = schema.tables.remove(&from.name).ok_or_else(|| SqlError::table_not_found(&from))?;
            let schema = schema_mut(listing, &to.catalog, &to.schema)?;
            if schema.is_taken(&to.name) {
                return Err(already_exists("TABLE_OR_VIEW", &to));
            }
            schema.tables.insert(to.name.clone(), entry);
            Ok(())
        })?;
        Ok(Outcome::Nothing)
    }
}
