//! Who may call, and with which keys.

use std::{
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use twinhouse_core::Secret;

use super::answer::Failure;

/// The keys of one user, and of the roles that were assumed.
#[derive(Debug)]
pub(crate) struct Keys {
    user: (String, Secret),
    assumed: Mutex<Vec<Assumed>>,
}

#[derive(Clone, Debug)]
pub(super) struct Assumed {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) token: Secret,
    pub(super) role: String,
    pub(super) session: String,
    pub(super) expires: SystemTime,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    User,
    Role { name: String, session: String },
}

impl Caller {
    pub(super) const USER: &str = "sandbox";

    /// The database user that belongs to the identity.
    pub(super) fn database_user(&self) -> String {
        match self {
            Self::User => format!("IAM:{}", Self::USER),
            Self::Role { name, .. } => format!("IAMR:{name}"),
        }
    }
}

impl Keys {
    pub(crate) fn new(id: impl Into<String>, secret: Secret) -> Self {
        Self { user: (id.into(), secret), assumed: Mutex::default() }
    }

    pub(super) fn add(&self, assumed: Assumed) {
        self.assumed.lock().unwrap_or_else(PoisonError::into_inner).push(assumed);
    }

    /// Whose key it is, and the secret that belongs to it.
    pub(super) fn find(&self, id: &str, token: Option<&str>) -> Result<(Caller, Secret), Failure> {
        if id == self.user.0 && token.is_none() {
            return Ok((Caller::User, self.user.1.clone()));
        }
        let assumed = self.assumed.lock().unwrap_or_else(PoisonError::into_inner);
        let found = assumed.iter().find(|known| known.id == id && token == Some(known.token.expose()));
        let found = found.ok_or_else(Failure::unknown_key)?;
        if found.expires <= SystemTime::now() {
            return Err(Failure::expired_token());
        }
        let name = found.role.rsplit('/').next().unwrap_or_default().to_owned();
        Ok((Caller::Role { name, session: found.session.clone() }, found.secret.clone()))
    }
}
