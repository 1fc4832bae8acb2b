//! Options of sources and sinks: text, and references to secrets.

use std::{collections::BTreeMap, fmt::Write as _};

use twinhouse_core::Result;

use super::literal::python;
use crate::jobs::check::{invalid, not_empty};

/// A piece of an option's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Text, as it is.
    Text(String),
    /// A secret of the workspace. The notebook looks it up; its value is never in the notebook.
    Secret {
        /// The scope.
        scope: String,
        /// The key in it.
        key: String,
    },
}

/// The value of an option.
///
/// ```
/// use twinhouse_databricks::streaming::OptionValue;
///
/// let plain = OptionValue::from("latest");
/// let secret = OptionValue::secret("kafka", "truststore-password");
/// let both = OptionValue::from("org.apache.kafka.common.security.plain.PlainLoginModule required username=\"app\" password=\"")
///     .then_secret("kafka", "password")
///     .then("\";");
/// # let _ = (plain, secret, both);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionValue {
    parts: Vec<Part>,
}

impl OptionValue {
    /// A secret of the workspace.
    pub fn secret(scope: impl Into<String>, key: impl Into<String>) -> Self {
        Self::default().then_secret(scope, key)
    }

    /// Followed by this text.
    #[must_use]
    pub fn then(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    /// Followed by this secret.
    #[must_use]
    pub fn then_secret(mut self, scope: impl Into<String>, key: impl Into<String>) -> Self {
        self.parts.push(Part::Secret { scope: scope.into(), key: key.into() });
        self
    }

    /// Its pieces, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn has_secret(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Secret { .. }))
    }

    /// As an expression of Python.
    fn python(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            if !out.is_empty() {
                out.push_str(" + ");
            }
            // Writing to a text does not fail.
            let _ = match part {
                Part::Text(text) => write!(out, "{}", python(text)),
                Part::Secret { scope, key } => {
                    write!(out, "dbutils.secrets.get(scope={}, key={})", python(scope), python(key))
                }
            };
        }
        if out.is_empty() { python("") } else { out }
    }
}

impl From<&str> for OptionValue {
    fn from(text: &str) -> Self {
        Self::default().then(text)
    }
}

impl From<String> for OptionValue {
    fn from(text: String) -> Self {
        Self::default().then(text)
    }
}

impl From<bool> for OptionValue {
    fn from(flag: bool) -> Self {
        Self::from(if flag { "true" } else { "false" })
    }
}

impl From<u64> for OptionValue {
    fn from(number: u64) -> Self {
        Self::from(number.to_string())
    }
}

pub(super) type Options = BTreeMap<String, OptionValue>;

/// Options that say who we are: their values are secrets.
const SECRET: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "token",
    "jaas.config",
    "account.key",
    "private.key",
    "credential",
    "keystore.key",
];
/// What looks like one of those and is none.
const NOT_SECRET: [&str; 3] = ["token.endpoint.url", "servicecredential", "tokens"];
/// What comes before a secret inside a value.
const BEFORE_SECRET: [&str; 4] = ["password=", "clientsecret=", "secret=", "token="];

/// `owned` are set by fields, and `refused` by Spark itself: neither may be an option.
pub(super) fn check(field: &str, options: &Options, owned: &[(&str, &str)], refused: &[&str]) -> Result<()> {
    for (name, value) in options {
        let at = format!("{field}.options[{name}]");
        not_empty(format!("{field}.options"), name)?;
        let lower = name.to_ascii_lowercase();
        if let Some((_, setter)) = owned.iter().find(|(owned, _)| owned.eq_ignore_ascii_case(name)) {
            return Err(invalid(at, &format!("must not be an option: it is `{setter}`")));
        }
        if refused.iter().any(|refused| refused.eq_ignore_ascii_case(name)) {
            return Err(invalid(at, "must not be set: Spark refuses it"));
        }
        for part in &value.parts {
            if let Part::Secret { scope, key } = part {
                not_empty(format!("{at}.scope"), scope)?;
                not_empty(format!("{at}.key"), key)?;
            }
        }
        let is_secret =
            SECRET.iter().any(|word| lower.contains(word)) && !NOT_SECRET.iter().any(|no| lower.contains(no));
        if (is_secret && !value.has_secret()) || has_bare_secret(value) {
            return Err(invalid(
                at,
                "must refer to a secret with `OptionValue::secret` or `then_secret`: its text would be in the notebook",
            ));
        }
    }
    Ok(())
}

/// A text with `password=` has to end there, and what follows has to be a secret.
fn has_bare_secret(value: &OptionValue) -> bool {
    value.parts.iter().any(|part| {
        let Part::Text(text) = part else { return false };
        let lower = text.to_ascii_lowercase();
        BEFORE_SECRET.iter().any(|word| {
            lower.match_indices(word).any(|(at, _)| {
                let after = lower[at + word.len()..].trim_start_matches(['"', '\'', ' ']);
                !after.is_empty()
            })
        })
    })
}

/// The calls that set them, one on each line.
pub(super) fn python_calls(options: &Options) -> Vec<String> {
    options.iter().map(|(name, value)| format!(".option({}, {})", python(name), value.python())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, value: impl Into<OptionValue>) -> Result<()> {
        check("source", &Options::from([(name.to_owned(), value.into())]), &[("path", "path")], &["kafka.group"])
    }

    #[test]
    fn a_secret_is_a_reference_wherever_it_stands() {
        let value = OptionValue::from("user=a password=\"").then_secret("s", "k").then("\";");
        assert_eq!(value.python(), r#""user=a password=\"" + dbutils.secrets.get(scope="s", key="k") + "\";""#);
        checked("kafka.sasl.jaas.config", value).unwrap();
        checked("kafka.ssl.keystore.password", OptionValue::secret("s", "k")).unwrap();
        checked("kafka.sasl.oauthbearer.token.endpoint.url", "https://login").unwrap();
        checked("startingOffsets", "latest").unwrap();
        for (name, text) in [
            ("kafka.sasl.jaas.config", "Module required username=\"a\" password=\"canary\";"),
            ("kafka.ssl.keystore.password", "canary"),
            ("kafka.ssl.Truststore.PASSWORD", "canary"),
            ("cloudFiles.clientSecret", "canary"),
            ("anything", "x;password=canary"),
            ("fs.azure.account.key.x", "canary"),
        ] {
            let error = checked(name, text).unwrap_err();
            assert_eq!(error.context("field"), Some(format!("source.options[{name}]").as_str()));
            assert!(!format!("{error:?}").contains("canary"), "the error does not repeat it");
        }
        let half = OptionValue::from("password=\"canary\" other=\"").then_secret("s", "k");
        assert!(checked("kafka.sasl.jaas.config", half).is_err(), "one reference does not excuse another text");
    }

    #[test]
    fn options_that_fields_set_or_spark_refuses_are_refused() {
        assert!(checked("PATH", "x").unwrap_err().message().contains("`path`"));
        assert!(checked("kafka.group", "x").is_err());
        assert!(checked(" ", "x").is_err());
        assert!(checked("o", OptionValue::secret("", "k")).is_err());
    }
}
