//! What a case needs of a warehouse, and how its absence must show.

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, Int64Array, ListArray, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use twinhouse_core::{ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, Capabilities, Duplicates, LoadMode, LoadRequest, MergeAction, MergeClause, MergeRequest, MergeSource,
    MergeWhen, StatementId, TransactionOptions, UnloadRequest, WhenMatched,
};

use super::{case::CaseResult, context::Context};

/// A promise that a case relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// [`Capabilities::transactions`].
    Transactions,
    /// [`Capabilities::attach`].
    Attach,
    /// [`Capabilities::load`].
    Load,
    /// [`Capabilities::load_overwrite`].
    LoadOverwrite,
    /// [`Capabilities::load_replace_where`].
    LoadReplaceWhere,
    /// [`Capabilities::load_replace_partitions`].
    LoadReplacePartitions,
    /// [`Capabilities::load_create`].
    LoadCreate,
    /// [`Capabilities::unload`].
    Unload,
    /// [`Capabilities::merge`].
    Merge,
    /// [`Capabilities::merge_delete_matched`].
    MergeDeleteMatched,
    /// [`Capabilities::merge_not_matched_by_source`].
    MergeNotMatchedBySource,
    /// [`Capabilities::merge_clauses`].
    MergeClauses,
    /// [`Capabilities::merge_schema_evolution`].
    MergeSchemaEvolution,
    /// [`Capabilities::merge_keep_greatest`].
    MergeKeepGreatest,
    /// [`Capabilities::nested_types`].
    NestedTypes,
}

impl Need {
    /// Whether the warehouse promises it.
    pub fn is_met(self, can: &Capabilities) -> bool {
        match self {
            Self::Transactions => can.transactions,
            Self::Attach => can.attach,
            Self::Load => can.load,
            Self::LoadOverwrite => can.load_overwrite,
            Self::LoadReplaceWhere => can.load_replace_where,
            Self::LoadReplacePartitions => can.load_replace_partitions,
            Self::LoadCreate => can.load_create,
            Self::Unload => can.unload,
            Self::Merge => can.merge,
            Self::MergeDeleteMatched => can.merge && can.merge_delete_matched,
            Self::MergeNotMatchedBySource => can.merge && can.merge_not_matched_by_source,
            Self::MergeClauses => can.merge && can.merge_clauses,
            Self::MergeSchemaEvolution => can.merge && can.merge_schema_evolution,
            Self::MergeKeepGreatest => can.merge && can.merge_keep_greatest,
            Self::NestedTypes => can.nested_types,
        }
    }

    /// Asks for it although it is not promised, and checks that it is refused.
    ///
    /// # Errors
    ///
    /// If it was done, or refused in another way.
    pub async fn check_refused(self, cx: &Context<'_>) -> CaseResult {
        let warehouse = cx.warehouse();
        let table = cx.unique("refused");
        let mode = match self {
            Self::LoadOverwrite => LoadMode::Overwrite,
            Self::LoadReplaceWhere => LoadMode::ReplaceWhere("id > 0".into()),
            Self::LoadReplacePartitions => LoadMode::ReplacePartitions,
            Self::LoadCreate => LoadMode::Create,
            _ => LoadMode::Append,
        };
        let outcome = match self {
            Self::Transactions => warehouse.begin(TransactionOptions::default()).await.map(drop),
            Self::Attach => warehouse.attach(&StatementId::new("00000000-0000-0000-0000-000000000000")).await.map(drop),
            Self::Load
            | Self::LoadOverwrite
            | Self::LoadReplaceWhere
            | Self::LoadReplacePartitions
            | Self::LoadCreate => {
                let request = LoadRequest::append(table, one_row(), cx.token("refused")?).with_mode(mode);
                warehouse.load(request).await.map(drop)
            }
            Self::Unload => {
                warehouse.unload(UnloadRequest::parquet("select 1 as one", "s3://nowhere/refused/")).await.map(drop)
            }
            Self::Merge => {
                warehouse.merge(MergeRequest::upsert(table, MergeSource::Batches(one_row()), ["id"])).await.map(drop)
            }
            Self::MergeDeleteMatched => {
                let request = MergeRequest::upsert(table, MergeSource::Batches(one_row()), ["id"]);
                warehouse.merge(request.with_when_matched(WhenMatched::Delete)).await.map(drop)
            }
            Self::MergeNotMatchedBySource => {
                let request = MergeRequest::upsert(table, MergeSource::Batches(one_row()), ["id"]);
                warehouse.merge(request.with_delete_unmatched_by_source(true)).await.map(drop)
            }
            Self::MergeClauses => {
                let clause = MergeClause::new(MergeWhen::NotMatched, MergeAction::InsertAll);
                let request = MergeRequest::upsert(table, MergeSource::Batches(one_row()), ["id"]);
                warehouse.merge(request.with_clauses([clause])).await.map(drop)
            }
            Self::MergeSchemaEvolution => {
                let request = MergeRequest::upsert(table, MergeSource::Batches(one_row()), ["id"]);
                warehouse.merge(request.with_schema_evolution(true)).await.map(drop)
            }
            Self::MergeKeepGreatest => {
                let request = MergeRequest::upsert(table, MergeSource::Batches(one_row()), ["id"]);
                warehouse.merge(request.with_duplicates(Duplicates::KeepGreatest("n".into()))).await.map(drop)
            }
            Self::NestedTypes => return refuses_lists(cx).await,
        };
        expect_refused(self, outcome, &[ErrorKind::Unsupported])
    }
}

/// Neither a column for lists nor lists for a column: whichever is refused first.
async fn refuses_lists(cx: &Context<'_>) -> CaseResult {
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])]));
    let field = Field::new("v", list.data_type().clone(), true);
    if let Err(error) = cx.column(&field) {
        return expect_refused(Need::NestedTypes, Err(error), &[ErrorKind::Unsupported]);
    }
    let table = cx.create("refused", &[field]).await?;
    let batch = RecordBatch::try_from_iter([("v", list)])?;
    let outcome = cx.load(&table, vec![batch], cx.token("refused")?).await.map(drop);
    // The table may have a column of another type in its place: then it is the rows that do not fit.
    expect_refused(Need::NestedTypes, outcome, &[ErrorKind::Unsupported, ErrorKind::InvalidInput])
}

#[track_caller]
fn expect_refused(need: Need, outcome: Result<()>, kinds: &[ErrorKind]) -> CaseResult {
    match outcome {
        Err(error) if kinds.contains(&error.kind()) => Ok(()),
        Err(error) => panic!("{need:?} is not promised: wanted it refused as {kinds:?}, got {error:?}"),
        Ok(()) => panic!("{need:?} is not promised, and yet it was done"),
    }
}

fn one_row() -> BatchStream {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1]))]);
    BatchStream::new(schema, futures::stream::iter(batch.into_iter().map(Ok)))
}
