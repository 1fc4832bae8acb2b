//! Secrets Manager with one secret: the login of the cluster's owner, as the console writes it.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Aws, CLUSTER, SECRET, answer::Failure, call::Call};

pub(super) const NAME: &str = "secretsmanager";
pub(super) const TARGET: &str = "secretsmanager";

/// Every secret's ARN ends in six characters of its own.
const SUFFIX: &str = "-tWinHs";

pub(super) fn answer(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    match call.action.as_str() {
        "GetSecretValue" => get_secret_value(aws, call),
        _ => Err(call.not_imitated()),
    }
}

/// The full name of the secret.
pub(crate) fn arn(region: &str) -> String {
    format!("arn:aws:secretsmanager:{region}:{}:secret:{SECRET}{SUFFIX}", super::ACCOUNT)
}

fn get_secret_value(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    let id = call.required("SecretId")?;
    let arn = arn(&aws.region);
    let stage = call.text("VersionStage").unwrap_or("AWSCURRENT");
    let (true, Some(password)) = (id == SECRET || id == arn, aws.logins.password(&aws.cluster.user)) else {
        return Err(not_found("Secrets Manager can't find the specified secret.".to_owned()));
    };
    if stage != "AWSCURRENT" || call.text("VersionId").is_some() {
        let message = format!("Secrets Manager can't find the specified secret value for staging label: {stage}");
        return Err(not_found(message));
    }
    let cluster = &aws.cluster;
    let value = json!({
        "username": cluster.user,
        "password": password.expose(),
        "engine": "redshift",
        "host": cluster.host,
        "port": cluster.port,
        "dbname": cluster.database,
        "dbClusterIdentifier": CLUSTER,
    });
    Ok(json!({ "ARN": arn, "Name": SECRET, "SecretString": value.to_string(), "VersionStages": ["AWSCURRENT"] }))
}

fn not_found(message: String) -> Failure {
    Failure::new("ResourceNotFoundException", StatusCode::BAD_REQUEST, message)
}
