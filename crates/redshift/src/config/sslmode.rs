//! How strictly the connection is protected.

use std::{fmt, str::FromStr};

/// How strictly the connection is protected. Unless one of the weaker modes is named, it is [`VerifyFull`](Self::VerifyFull).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SslMode {
    /// No encryption.
    Disable,
    /// Encrypted if the server does; nobody is checked. It protects against nothing that can alter packets.
    Prefer,
    /// Encrypted. The certificate is checked only if a root certificate is configured, as `verify-ca` does.
    Require,
    /// Encrypted, and the certificate is signed by a trusted root: for servers behind an alias of one's own.
    VerifyCa,
    /// Encrypted, signed by a trusted root, and issued to the host we asked for.
    #[default]
    VerifyFull,
}

impl SslMode {
    /// The name as it stands in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    pub(crate) const NAMES: &'static str = "one of disable, prefer, require, verify-ca, verify-full";
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SslMode {
    type Err = twinhouse_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| twinhouse_core::Error::bad_setting("sslmode", "text", Self::NAMES))
    }
}
