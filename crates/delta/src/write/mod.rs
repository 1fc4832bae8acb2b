//! Writing a table: a few rows by one INSERT, more by way of staged files, each time as one version.
//!
//! A long stream can also be written [batch by batch](StreamWriter), each batch a version of its own.

mod builder;
mod insert;
mod plan;
mod report;
mod rows;
mod stream;

pub use builder::WriteBuilder;
pub use plan::{Warning, WritePlan};
pub use report::{Route, StreamReport, WriteReport};
pub use stream::StreamWriter;

pub(crate) use plan::describe_nulls_and_duplicates;
pub(crate) use rows::RowSource;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use twinhouse_testkit::ScriptedWarehouse;
    use twinhouse_warehouse_api::{BatchStream, LoadToken, arrow::datatypes::Schema};

    use crate::DeltaClient;

    fn can_be_spawned<T: Send>(_: T) {}

    #[test]
    fn every_operation_can_be_a_task_of_its_own() {
        let client = DeltaClient::new(Arc::new(ScriptedWarehouse::new())).unwrap();
        let table = client.table("t");
        let nothing = || BatchStream::from_batches(Arc::new(Schema::empty()), Vec::new());
        can_be_spawned(table.write(nothing()).run());
        can_be_spawned(table.write(nothing()).dry_run());
        can_be_spawned(table.write_rows(vec![1]).run());
        can_be_spawned(table.write_stream(nothing(), LoadToken::new("t").unwrap()).run());
        can_be_spawned(table.merge(nothing()).run());
        can_be_spawned(table.merge(nothing()).dry_run());
        can_be_spawned(table.read().batches());
        can_be_spawned(table.changes(0..).rows::<i32>());
        can_be_spawned(table.update().run());
        can_be_spawned(table.delete("true"));
    }
}
