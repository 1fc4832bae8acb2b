//! Numbers that may be missing, or text.

use serde::{Deserialize, Deserializer, de};

#[derive(Deserialize)]
#[serde(untagged)]
enum Loose {
    Unsigned(u64),
    Signed(i64),
    Real(f64),
    Text(String),
}

/// A count. Missing, `null` and the empty text are `None`.
pub(crate) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let bad = || de::Error::custom("not a count");
    Ok(match Option::<Loose>::deserialize(from)? {
        None => None,
        Some(Loose::Unsigned(n)) => Some(n),
        Some(Loose::Signed(_) | Loose::Real(_)) => return Err(bad()),
        Some(Loose::Text(text)) if text.is_empty() => None,
        Some(Loose::Text(text)) => Some(text.parse().map_err(|_| bad())?),
    })
}

/// A code that is text in one place of the service and a number in another.
pub(crate) fn code<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Loose>::deserialize(from)?.map(|code| match code {
        Loose::Unsigned(n) => n.to_string(),
        Loose::Signed(n) => n.to_string(),
        Loose::Real(x) => x.to_string(),
        Loose::Text(text) => text,
    }))
}

/// A value that is `null` where it could be missing.
pub(crate) fn nullable<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Line {
        #[serde(default, deserialize_with = "count")]
        n: Option<u64>,
        #[serde(default, deserialize_with = "code")]
        code: Option<String>,
    }

    #[test]
    fn counts_come_as_numbers_as_text_or_not_at_all() {
        for (json, wanted) in [
            ("{}", None),
            (r#"{"n":null}"#, None),
            (r#"{"n":0}"#, Some(0)),
            (r#"{"n":"18446744073709551615"}"#, Some(u64::MAX)),
        ] {
            assert_eq!(serde_json::from_str::<Line>(json).unwrap().n, wanted, "{json}");
        }
        assert!(serde_json::from_str::<Line>(r#"{"n":-1}"#).is_err());
    }

    #[test]
    fn a_code_may_be_a_number() {
        let code = |json| serde_json::from_str::<Line>(json).unwrap().code;
        assert_eq!(code(r#"{"code":403}"#).as_deref(), Some("403"));
        assert_eq!(code(r#"{"code":"NOT_FOUND"}"#).as_deref(), Some("NOT_FOUND"));
    }
}
