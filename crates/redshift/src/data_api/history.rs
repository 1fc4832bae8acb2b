//! Statements of the last day, as the service remembers them.

use std::time::SystemTime;

use aws_sdk_redshiftdata::types::{StatementData, StatusString};
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::{Result, resilience::Operation};
use twinhouse_warehouse_api::{StatementId, StatementStatus};

use super::{client::Client, statement};

/// Which statements to list. What is left out is not filtered on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementFilter {
    /// Only names that begin like this.
    pub name_prefix: Option<String>,
    /// Only those of this identity, not of everybody in its role.
    pub only_mine: bool,
}

impl StatementFilter {
    /// Only names that begin like this.
    #[must_use]
    pub fn with_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.name_prefix = Some(prefix.into());
        self
    }

    /// Only those of this identity, not of everybody in its role.
    #[must_use]
    pub fn with_only_mine(mut self, only: bool) -> Self {
        self.only_mine = only;
        self
    }
}

/// A statement that was handed in during the last 24 hours.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PastStatement {
    /// The service's name for it: [`attach`](twinhouse_warehouse_api::Warehouse::attach) takes it.
    pub id: StatementId,
    /// The label it was given.
    pub name: Option<String>,
    /// Where it stands.
    pub status: StatementStatus,
    /// Whether it is a batch.
    pub is_batch: bool,
    /// When it was handed in.
    pub created: Option<SystemTime>,
    /// The session it ran in, if that was to live on.
    pub session: Option<String>,
}

impl PastStatement {
    fn of(data: StatementData) -> Self {
        let status = statement::status(data.status().map(StatusString::as_str), None, data.id());
        Self {
            id: StatementId::new(data.id()),
            name: data.statement_name().map(str::to_owned),
            status,
            is_batch: data.is_batch_statement() == Some(true),
            created: data.created_at().and_then(|at| SystemTime::try_from(*at).ok()),
            session: data.session_id().map(str::to_owned),
        }
    }
}

/// The newest first, page by page as the stream is read.
pub(super) fn list(client: Client, filter: StatementFilter) -> BoxStream<'static, Result<PastStatement>> {
    stream::try_unfold(Some(None::<String>), move |token| {
        let (client, filter) = (client.clone(), filter.clone());
        async move {
            let Some(token) = token else { return Ok(None) };
            let operation = Operation::read("data.list").with_class("data.list");
            let mut page = client
                .call(operation, |sdk| {
                    sdk.list_statements()
                        .status(StatusString::All)
                        .role_level(!filter.only_mine)
                        .set_statement_name(filter.name_prefix.clone())
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            let next = page.next_token.take().map(Some);
            let page = page.statements.into_iter().map(|data| Ok(PastStatement::of(data)));
            Ok(Some((stream::iter(page), next)))
        }
    })
    .try_flatten()
    .boxed()
}
