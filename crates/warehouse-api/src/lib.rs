#![doc = include_str!("../README.md")]

mod batches;
mod bulk;
mod capability;
mod dialect;
mod expression;
mod ext;
mod fit;
mod merge;
mod params;
mod rows;
mod statement;
mod table;
mod transaction;
mod value;
mod warehouse;
mod wrap;

pub use arrow;
pub use batches::{BatchStream, Outcome};
pub use bulk::{BulkReport, FileFormat, LoadMode, LoadRequest, LoadToken, Progress, ProgressFn, UnloadRequest};
pub use capability::Capabilities;
pub use dialect::{Bound, DatabricksDialect, Dialect, MarkerStyle, RedshiftDialect};
pub use expression::Expression;
pub use ext::WarehouseExt;
pub use fit::Fit;
pub use merge::{
    Assignment, Duplicates, MergeAction, MergeClause, MergeReport, MergeRequest, MergeSource, MergeWhen, WhenMatched,
};
pub use params::Params;
pub use rows::RowStream;
pub use statement::{
    CallOptions, Canceller, Intent, OnDrop, StatementDriver, StatementHandle, StatementId, StatementRequest,
    StatementStatus, submit_in_task, submit_watched,
};
pub use table::{ColumnInfo, TableFilter, TableInfo, TableKind, TableRef};
pub use transaction::{Isolation, Transaction, TransactionOptions};
pub use value::{Decimal, Value};
pub use warehouse::{Warehouse, WarehouseInfo};
pub use wrap::Traced;
