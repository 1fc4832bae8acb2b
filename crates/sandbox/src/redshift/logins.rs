//! Who may log in: users with passwords of their own, and the temporary credentials that AWS issues.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use twinhouse_core::Secret;

/// The passwords that the cluster takes at the moment.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    permanent: HashMap<String, Secret>,
    temporary: Vec<Temporary>,
}

/// One temporary credential.
#[derive(Clone, Debug)]
pub(crate) struct Temporary {
    /// The name that stands in the start-up message, prefix and all.
    pub(crate) login: String,
    pub(crate) password: Secret,
    /// The user in the database.
    pub(crate) user: String,
    /// Whether the user is made if there is none.
    pub(crate) create: bool,
    /// Groups that the user belongs to while the session lasts.
    pub(crate) groups: Vec<String>,
    /// The only database it opens, if it was issued for one.
    pub(crate) database: Option<String>,
    pub(crate) expires: SystemTime,
}

/// Somebody whose password was right.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    pub(super) user: String,
    pub(super) temporary: Option<Temporary>,
}

impl Logins {
    pub(crate) fn new(users: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let state = State { permanent: users.into_iter().collect(), temporary: Vec::new() };
        Self { state: Mutex::new(state) }
    }

    /// Takes this credential from now on; what has expired is forgotten.
    pub(crate) fn issue(&self, credential: Temporary) {
        let now = SystemTime::now();
        let mut state = self.state();
        state.temporary.retain(|issued| issued.expires > now);
        state.temporary.push(credential);
    }

    /// The password that the user has now.
    pub(crate) fn password(&self, user: &str) -> Option<Secret> {
        self.state().permanent.get(user).cloned()
    }

    /// Gives the user another password. Sessions that are open stay open.
    pub(crate) fn change_password(&self, user: &str, password: Secret) {
        self.state().permanent.insert(user.to_owned(), password);
    }

    /// Who `login` is, if `proves` accepts one of their passwords.
    pub(super) fn admit(&self, login: &str, proves: impl Fn(&Secret) -> bool) -> Option<Admitted> {
        let (state, now) = (self.state(), SystemTime::now());
        if state.permanent.get(login).is_some_and(&proves) {
            return Some(Admitted { user: login.to_owned(), temporary: None });
        }
        let mut known = state.temporary.iter().filter(|issued| issued.login == login && issued.expires > now);
        let issued = known.find(|issued| proves(&issued.password))?;
        Some(Admitted { user: issued.user.clone(), temporary: Some(issued.clone()) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn issued(password: &str, expires: SystemTime) -> Temporary {
        Temporary {
            login: "IAM:ann".to_owned(),
            password: password.into(),
            user: "ann".to_owned(),
            create: false,
            groups: Vec::new(),
            database: None,
            expires,
        }
    }

    #[test]
    fn each_credential_is_good_until_it_expires_and_a_changed_password_at_once() {
        let logins = Logins::new([("ann".to_owned(), "old".into())]);
        let says = |login: &str, password: &'static str| logins.admit(login, |known| known.expose() == password);
        let soon = SystemTime::now() + Duration::from_secs(60);
        logins.issue(issued("one", soon));
        logins.issue(issued("two", soon));
        logins.issue(issued("late", SystemTime::now() - Duration::from_secs(1)));
        assert_eq!(says("IAM:ann", "one").unwrap().user, "ann");
        assert!(says("IAM:ann", "two").is_some() && says("IAM:ann", "late").is_none());
        assert!(says("ann", "one").is_none(), "a temporary password is not the user's own");
        assert!(says("ann", "old").is_some_and(|admitted| admitted.temporary.is_none()));
        logins.change_password("ann", "new".into());
        assert!(says("ann", "old").is_none() && says("ann", "new").is_some());
    }
}
