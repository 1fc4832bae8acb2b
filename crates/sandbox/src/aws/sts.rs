//! Who am I, and whom may I become.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use twinhouse_core::Secret;

use super::{
    ACCOUNT, Aws,
    access::{Assumed, Caller},
    answer::Failure,
    call::Call,
    credentials::iso,
};
use crate::sandbox::new_secret;

pub(super) const NAME: &str = "sts";

pub(super) fn answer(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    match call.action.as_str() {
        "GetCallerIdentity" => Ok(get_caller_identity(call)),
        "AssumeRole" => assume_role(aws, call),
        _ => Err(call.not_imitated()),
    }
}

fn get_caller_identity(call: &Call) -> Value {
    let (id, arn) = match &call.caller {
        Caller::User => ("AIDASANDBOX".to_owned(), format!("arn:aws:iam::{ACCOUNT}:user/{}", Caller::USER)),
        Caller::Role { name, session } => {
            (format!("AROASANDBOX:{session}"), format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}"))
        }
    };
    json!({ "UserId": id, "Account": ACCOUNT, "Arn": arn })
}

fn assume_role(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    let (role, session) = (call.required("RoleArn")?, call.required("RoleSessionName")?);
    if role != aws.role {
        let message = format!(
            "User: arn:aws:iam::{ACCOUNT}:user/{} is not authorized to perform: sts:AssumeRole on resource: {role}",
            Caller::USER
        );
        return Err(Failure::new("AccessDenied", http::StatusCode::FORBIDDEN, message));
    }
    let seconds = call.number("DurationSeconds")?.unwrap_or(3600);
    if !(900..=43_200).contains(&seconds) {
        return Err(Failure::invalid("DurationSeconds must be between 900 and 43200"));
    }
    let expires = SystemTime::now() + Duration::from_secs(seconds);
    let id = format!("ASIA{}", &new_secret().expose().to_uppercase()[..16]);
    let secret = Secret::new(format!("{}{}", new_secret().expose(), &new_secret().expose()[..8]));
    let (token, name) = (new_secret(), role.rsplit('/').next().unwrap_or_default());
    aws.keys.add(Assumed {
        id: id.clone(),
        secret: secret.clone(),
        token: token.clone(),
        role: role.to_owned(),
        session: session.to_owned(),
        expires,
    });
    Ok(json!({
        "Credentials": {
            "AccessKeyId": id,
            "SecretAccessKey": secret.expose(),
            "SessionToken": token.expose(),
            "Expiration": iso(expires),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("AROASANDBOX:{session}"),
            "Arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}"),
        },
    }))
}
