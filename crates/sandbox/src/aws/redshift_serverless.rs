//! The control plane of the serverless workgroup, which is the same database as the cluster.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Aws, CLUSTER, CUSTOM_DOMAIN,
    answer::Failure,
    call::Call,
    credentials::{For, epoch, issue},
};

pub(super) const NAME: &str = "redshift-serverless";
pub(super) const TARGET: &str = "RedshiftServerless";

pub(super) fn answer(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    match call.action.as_str() {
        "GetCredentials" => get_credentials(aws, call),
        "GetWorkgroup" => get_workgroup(aws, call),
        _ => Err(call.not_imitated()),
    }
}

fn check_workgroup(call: &Call) -> Result<(), Failure> {
    match (call.text("workgroupName"), call.text("customDomainName")) {
        (Some(CLUSTER), _) | (None, Some(CUSTOM_DOMAIN)) => Ok(()),
        (None, None) => Err(Failure::invalid("Either workgroupName or customDomainName must be provided.")),
        (Some(other), _) | (None, Some(other)) => {
            let message = format!("The workgroup {other} was not found.");
            Err(Failure::new("ResourceNotFoundException", StatusCode::BAD_REQUEST, message))
        }
    }
}

fn get_credentials(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    check_workgroup(call)?;
    let whom = For::identity(call, call.text("dbName"));
    let user = whom.login.clone();
    let issued = issue(aws, call, "durationSeconds", whom)?;
    let expires = epoch(issued.expires);
    Ok(json!({
        "dbUser": user,
        "dbPassword": issued.password.expose(),
        "expiration": expires,
        "nextRefreshTime": expires,
    }))
}

fn get_workgroup(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    check_workgroup(call)?;
    Ok(json!({ "workgroup": {
        "workgroupName": CLUSTER,
        "namespaceName": CLUSTER,
        "workgroupArn": aws.arn(NAME, &format!("workgroup/{CLUSTER}")),
        "status": "AVAILABLE",
        "baseCapacity": 8,
        "endpoint": { "address": aws.cluster.host, "port": aws.cluster.port },
    }}))
}
