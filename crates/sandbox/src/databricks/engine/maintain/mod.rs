//! OPTIMIZE, VACUUM and what else looks after a table.

mod analyze;
mod answer;
mod clone;
mod convert;
mod detail;
mod history;
mod log;
mod optimize;
mod path;
mod restore;
mod vacuum;

use super::{Engine, Outcome, catalog::Place};
use crate::databricks::{error::SqlResult, sql::Maintain};

pub(super) use self::{analyze::TableStatistics, log::named, path::delta_path};

impl Engine {
    pub(super) async fn maintain(&self, maintain: &Maintain, place: &Place) -> SqlResult<Outcome> {
        match maintain {
            Maintain::Optimize { table, full, predicate, z_order } => {
                self.optimize(table, *full, predicate.as_ref(), z_order, place).await
            }
            Maintain::Vacuum { table, lite, retain_hours, dry_run } => {
                self.vacuum(table, *lite, *retain_hours, *dry_run, place).await
            }
            Maintain::History { table, limit } => self.history(table, *limit, place).await,
            Maintain::Detail { table } => self.detail(table, place).await,
            Maintain::Restore { table, to } => self.restore(table, to, place).await,
            Maintain::Clone(clone) => self.clone_table(clone, place).await,
            Maintain::Convert { path, partitions } => self.convert(path, partitions).await,
            Maintain::Generate { table } => self.generate_manifest(table, place).await,
            Maintain::Analyze { table, statistics } => self.analyze(table, statistics, place).await,
            Maintain::DescribeColumn { table, column } => self.describe_column(table, column, place).await,
        }
    }
}
