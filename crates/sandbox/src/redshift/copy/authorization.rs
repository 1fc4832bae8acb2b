//! What COPY and UNLOAD share: places, and who reads and writes there.

use twinhouse_core::Secret;

use super::{
    super::{
        access::Authorization,
        lexer::{Kind, Lexed},
        report::Report,
    },
    source::Location,
};

/// `s3://bucket/key`.
pub(in super::super) fn location(url: &str) -> Result<Location, Report> {
    let Some(rest) = url.strip_prefix("s3://") else {
        let scheme = url.split("://").next().unwrap_or_default();
        return Err(match scheme {
            "emr" | "dynamodb" => Report::not_in_sandbox(&format!("COPY from {scheme}")),
            _ => Report::unsupported(
                "LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)",
            ),
        });
    };
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(Report::internal("S3ServiceException:The specified bucket is not valid.,Status 400"));
    }
    Ok(Location { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// An authorization at `at`, and the index after it.
pub(in super::super) fn authorization(s: &Lexed<'_>, at: usize) -> Result<Option<(Authorization, usize)>, Report> {
    if s.is(at, "iam_role") {
        let role = if s.is(at + 1, "default") {
            "default".to_owned()
        } else if s.kind(at + 1) == Some(Kind::Literal) {
            s.value(at + 1)
        } else {
            return Err(Report::syntax(s.raw(at + 1)));
        };
        return Ok(Some((Authorization::Role(role), at + 2)));
    }
    if s.is(at, "access_key_id") {
        let (mut next, mut id, mut secret) = (at, None, None);
        while s.is_any(next, &["access_key_id", "secret_access_key", "session_token"]) {
            let value = next + 1 + usize::from(s.is(next + 1, "as"));
            match s.raw(next).to_ascii_lowercase().as_str() {
                "access_key_id" => id = Some(s.value(value)),
                "secret_access_key" => secret = Some(s.value(value)),
                _ => {}
            }
            next = value + 1;
        }
        return keys(id, secret).map(|keys| Some((keys, next)));
    }
    let credentials = at + usize::from(s.is(at, "with"));
    if s.is(credentials, "credentials") {
        let value = credentials + 1 + usize::from(s.is(credentials + 1, "as"));
        let text = s.value(value);
        let part = |name: &str| {
            text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let authorization = match part("aws_iam_role") {
            Some(role) => Authorization::Role(role),
            None => keys(part("aws_access_key_id"), part("aws_secret_access_key"))?,
        };
        return Ok(Some((authorization, value + 1)));
    }
    Ok(None)
}

fn keys(id: Option<String>, secret: Option<String>) -> Result<Authorization, Report> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Authorization::Keys { id, secret: Secret::from(secret) }),
        _ => Err(Report::internal("Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or ...")),
    }
}
