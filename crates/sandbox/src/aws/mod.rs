//! AWS around the cluster: identities, secrets, temporary database credentials.
//!
//! One listener speaks both of AWS's protocols, JSON 1.1 (`X-Amz-Target`) and the form with XML answers, and takes only
//! requests whose signature is right. Each service is a file; what it does not know it refuses by the call's name.

mod access;
mod answer;
mod call;
mod credentials;
mod redshift;
mod redshift_data;
mod redshift_serverless;
mod secretsmanager;
mod sigv4;
mod sts;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    response::Response,
};

pub(crate) use self::{access::Keys, redshift_data::DataApi, secretsmanager::arn as secret_arn};
use self::{
    answer::{Failure, Protocol},
    call::Call,
};
use crate::{
    access::RedshiftAccess,
    redshift::{Door, Logins},
};

/// The largest body that any of these services takes.
const BODY_LIMIT: usize = 1 << 20;

/// The account number that AWS uses in its own examples.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The cluster's identifier, which is the workgroup's name as well.
pub(crate) const CLUSTER: &str = "twinhouse-sandbox";
/// The secret that holds the login of the cluster's owner.
pub(crate) const SECRET: &str = "twinhouse-sandbox/redshift";
/// A name for the cluster that is not made of its identifier. The certificate holds for it.
pub(crate) const CUSTOM_DOMAIN: &str = "localhost";

/// What all services share.
#[derive(Debug)]
pub(crate) struct Aws {
    pub(crate) keys: Keys,
    pub(crate) region: String,
    /// The role that may be assumed.
    pub(crate) role: String,
    pub(crate) cluster: RedshiftAccess,
    pub(crate) logins: Arc<Logins>,
    pub(crate) data_api: DataApi,
    /// The way to the database for those inside.
    pub(crate) door: Door,
    /// No temporary credential of the database lives longer, whatever was asked for.
    pub(crate) credential_lifetime: Duration,
}

impl Aws {
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{ACCOUNT}:{resource}", self.region)
    }
}

/// Everything on one address.
pub(crate) fn router(aws: Aws) -> Router {
    Router::new().fallback(serve).with_state(Arc::new(aws))
}

async fn serve(State(aws): State<Arc<Aws>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let protocol = Protocol::of(&head.headers);
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return protocol.refuse(&Failure::too_large());
    };
    let call = match sigv4::verify(&aws.keys, &aws.region, &head, &body)
        .and_then(|caller| Call::read(protocol, &head.headers, &body, caller))
    {
        Ok(call) => call,
        Err(failure) => return protocol.refuse(&failure),
    };
    let answered = match call.service.as_str() {
        redshift::NAME => redshift::answer(&aws, &call),
        redshift_serverless::NAME => redshift_serverless::answer(&aws, &call),
        secretsmanager::NAME => secretsmanager::answer(&aws, &call),
        sts::NAME => sts::answer(&aws, &call),
        redshift_data::NAME => redshift_data::answer(&aws, &call).await,
        _ => Err(call.not_imitated()),
    };
    match answered {
        Ok(answer) => protocol.answer(&call, &answer),
        Err(failure) => protocol.refuse(&failure),
    }
}
