//! One call: the service, the operation and its parameters, whichever protocol they came by.

use axum::http::HeaderMap;
use serde_json::{Map, Value};

use super::{
    access::Caller,
    answer::{Failure, Protocol},
    redshift, redshift_data, redshift_serverless, secretsmanager,
    sigv4::Signer,
    sts,
};

/// What is asked, and by whom.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) service: String,
    pub(super) action: String,
    pub(super) caller: Caller,
    /// A form's parameters are strings, and those of its lists are called `Name.member.1` or `Name.Item.1`.
    parameters: Map<String, Value>,
}

impl Call {
    pub(super) fn read(protocol: Protocol, headers: &HeaderMap, body: &[u8], signer: Signer) -> Result<Self, Failure> {
        let (service, action, parameters) = match protocol {
            Protocol::Json => {
                let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
                let (prefix, action) = target.rsplit_once('.').unwrap_or_default();
                let service = match prefix {
                    redshift_data::TARGET => redshift_data::NAME,
                    redshift_serverless::TARGET => redshift_serverless::NAME,
                    secretsmanager::TARGET => secretsmanager::NAME,
                    other => other,
                };
                let parameters = serde_json::from_slice(body).map_err(|_| {
                    Failure::new("SerializationException", http::StatusCode::BAD_REQUEST, "the body is not JSON")
                })?;
                (service.to_owned(), action.to_owned(), parameters)
            }
            Protocol::Form => {
                let pairs = url::form_urlencoded::parse(body);
                let mut parameters: Map<_, _> =
                    pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect();
                let action = match parameters.remove("Action") {
                    Some(Value::String(action)) => action,
                    _ => String::new(),
                };
                (signer.service.clone(), action, parameters)
            }
        };
        // A request that is signed for one service is not good for another.
        if signer.service != service && !service.is_empty() && protocol == Protocol::Json {
            let why = format!("Credential should be scoped to correct service: '{service}'. ");
            let known =
                [redshift_data::NAME, redshift_serverless::NAME, secretsmanager::NAME].contains(&service.as_str());
            if known {
                return Err(Failure::bad_signature(&why));
            }
        }
        Ok(Self { service, action, caller: signer.caller, parameters })
    }

    /// A parameter that is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A parameter of any form.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.parameters.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.text(name).ok_or_else(|| Failure::invalid(format!("The parameter {name} must be provided.")))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let number = match self.parameters.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64(),
        };
        number.map(Some).ok_or_else(|| Failure::invalid(format!("Invalid value for parameter {name}")))
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        match self.parameters.get(name) {
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// The items of a form's list, in order.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let mut items: Vec<(u32, &str)> = self
            .parameters
            .iter()
            .filter_map(|(key, value)| {
                let (_, position) = key.strip_prefix(name)?.strip_prefix('.')?.split_once('.')?;
                Some((position.parse().ok()?, value.as_str()?))
            })
            .collect();
        items.sort_unstable();
        items.into_iter().map(|(_, item)| item.to_owned()).collect()
    }

    pub(super) fn namespace(&self) -> &'static str {
        match self.service.as_str() {
            redshift::NAME => "http://redshift.amazonaws.com/doc/2012-12-01/",
            sts::NAME => "https://sts.amazonaws.com/doc/2011-06-15/",
            _ => "",
        }
    }

    pub(super) fn not_imitated(&self) -> Failure {
        let (service, action) = (&self.service, &self.action);
        Failure::unknown_operation(format!("The sandbox does not imitate {service}:{action}."))
    }
}
