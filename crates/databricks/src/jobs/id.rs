//! Names of things: jobs, runs, repairs, and the token that makes a run happen once.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use twinhouse_core::{Error, ErrorKind, Result};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                super::macros::loose(from).map(Self)
            }
        }
    };
}

id! {
    /// A job: what is kept and run again.
    JobId
}

id! {
    /// A run, of a whole job or of one of its tasks: both have ids of this kind.
    RunId
}

id! {
    /// A repair of a run.
    RepairId
}

/// Names one run, so that asking for it twice starts it once: the service answers a known token with the run that has
/// it. At most 64 characters.
///
/// Every submission carries one. Unless you give it, it is random: then the requests that this client repeats by
/// itself start one run, and so do those that you repeat with the token that the error named. A token
/// [derived](Self::derived) from what the run is *for* also survives the death of your process.
///
/// ```
/// use twinhouse_databricks::jobs::IdempotencyToken;
///
/// let token = IdempotencyToken::derived(["nightly-report", "2026-01-31"]);
/// assert_eq!(token, IdempotencyToken::derived(["nightly-report", "2026-01-31"]));
/// assert_ne!(token, IdempotencyToken::derived(["nightly-report", "2026-02-01"]));
/// assert_eq!(token.as_str().len(), 64);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct IdempotencyToken(String);

impl IdempotencyToken {
    /// The longest that the service takes, in characters.
    pub const LONGEST: usize = 64;

    /// A token of your own making.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is empty or longer than 64 characters.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let length = text.chars().count();
        if length == 0 || length > Self::LONGEST {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "`idempotency_token` must have 1 to 64 characters; make one of any text with `derived`",
            )
            .with_context("field", "idempotency_token")
            .with_context("characters", length.to_string()));
        }
        Ok(Self(text))
    }

    /// A token that nobody else has.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// The token of these words: always the same for the same words, whatever their length, and different for others.
    pub fn derived(words: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut hash = Sha256::new();
        for word in words {
            let word = word.as_ref().as_bytes();
            // With its length: `ab`, `c` is not `a`, `bc`.
            hash.update((word.len() as u64).to_be_bytes());
            hash.update(word);
        }
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_at_most_64_characters_however_many_bytes() {
        assert!(IdempotencyToken::new("é".repeat(64)).is_ok());
        for wrong in [String::new(), "x".repeat(65)] {
            let error = IdempotencyToken::new(wrong).unwrap_err();
            assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("idempotency_token")));
        }
    }

    #[test]
    fn derived_tokens_tell_words_apart() {
        let token = |words: &[&str]| IdempotencyToken::derived(words);
        assert_ne!(token(&["ab", "c"]), token(&["a", "bc"]));
        assert_ne!(token(&[]), token(&[""]));
        // Written down once: a token must not change when this crate does.
        assert_eq!(token(&["nightly"]).as_str(), "a1529c864c951b95f507816ebcab9f5b13e289a8af5433a98a0ab982775b30ef");
        assert_ne!(IdempotencyToken::random(), IdempotencyToken::random());
    }

    #[test]
    fn ids_come_as_numbers_and_as_text() {
        assert_eq!(serde_json::from_str::<RunId>("18446744073709551615").unwrap(), RunId(u64::MAX));
        assert_eq!(serde_json::from_str::<RunId>("\"7\"").unwrap(), RunId(7));
        assert!(serde_json::from_str::<RunId>("-1").is_err());
        assert_eq!(serde_json::to_string(&JobId(3)).unwrap(), "3");
    }
}
