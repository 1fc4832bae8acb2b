//! Temporary credentials of the database, for both of the services that issue them.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use twinhouse_core::Secret;

use super::{Aws, answer::Failure, call::Call};
use crate::redshift::Temporary;

/// Seconds that a credential may be asked to live, and does unless asked.
const SECONDS: std::ops::RangeInclusive<u64> = 900..=3600;

/// Who the credential is for.
pub(super) struct For {
    pub(super) login: String,
    pub(super) user: String,
    pub(super) create: bool,
    pub(super) groups: Vec<String>,
    pub(super) database: Option<String>,
}

impl For {
    /// The database user that belongs to whoever calls.
    pub(super) fn identity(call: &Call, database: Option<&str>) -> Self {
        let user = call.caller.database_user();
        let database = database.map(str::to_owned);
        Self { login: user.clone(), user, create: true, groups: Vec::new(), database }
    }
}

pub(super) struct Issued {
    pub(super) password: Secret,
    pub(super) expires: SystemTime,
}

/// Makes a credential that the cluster takes from now on.
pub(super) fn issue(aws: &Aws, call: &Call, duration: &str, whom: For) -> Result<Issued, Failure> {
    let seconds = call.number(duration)?.unwrap_or(*SECONDS.start());
    if !SECONDS.contains(&seconds) {
        let (least, most) = (SECONDS.start(), SECONDS.end());
        return Err(Failure::invalid(format!("{duration} must be between {least} and {most}, but is {seconds}")));
    }
    let lifetime = Duration::from_secs(seconds).min(aws.credential_lifetime);
    let expires = SystemTime::now() + lifetime;
    // As long as the service's, with the characters that clients have stumbled over.
    let random: [u8; 48] = std::array::from_fn(|_| fastrand::u8(..));
    let password = Secret::new(format!("{}+/$=%&'@:", BASE64_STANDARD.encode(random)));
    let For { login, user, create, groups, database } = whom;
    let credential = Temporary { login, password: password.clone(), user, create, groups, database, expires };
    aws.logins.issue(credential);
    Ok(Issued { password, expires })
}

/// As XML and as a number.
pub(super) fn iso(time: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

pub(super) fn epoch(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
