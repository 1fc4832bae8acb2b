//! Families of endpoints, each with a rate of its own.

use twinhouse_core::resilience::Rate;

use crate::api;

/// A family of the service's endpoints. Each has a rate limit, a circuit breaker and a retry budget of its own: a busy
/// listing does not slow a submission down, and a broken one does not stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointFamily {
    /// Submission of statements. By default 200 in a minute.
    StatementSubmit,
    /// Status and chunks of statements.
    Statements,
    /// Cancelling and closing of statements, which must get through when everything else has to wait.
    Cancel,
    /// Unity Catalog. By default 500 in a minute.
    Catalog,
    /// Volumes through the Files API.
    Files,
    /// Submission of runs. By default 100 in a minute.
    JobsSubmit,
    /// Everything else about jobs and runs. By default 1000 in a minute.
    Jobs,
    /// SQL warehouses.
    Warehouses,
    /// Notebooks and folders of the workspace.
    Workspace,
    /// DBFS.
    Dbfs,
    /// Tokens.
    Login,
}

/// Class of the client, and calls in a minute where the family has a rule of its own.
const TABLE: [(EndpointFamily, &str, Option<u32>); 11] = [
    (EndpointFamily::StatementSubmit, api::STATEMENT_SUBMIT, Some(200)),
    (EndpointFamily::Statements, api::STATEMENTS, None),
    (EndpointFamily::Cancel, api::CANCEL, None),
    (EndpointFamily::Catalog, api::CATALOG, Some(500)),
    (EndpointFamily::Files, api::FILES, None),
    (EndpointFamily::JobsSubmit, api::JOBS_SUBMIT, Some(100)),
    (EndpointFamily::Jobs, api::JOBS, Some(1000)),
    (EndpointFamily::Warehouses, api::WAREHOUSES, None),
    (EndpointFamily::Workspace, api::WORKSPACE, None),
    (EndpointFamily::Dbfs, api::DBFS, None),
    (EndpointFamily::Login, "oauth", None),
];

/// How fast each family may be called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    pub(super) set: Vec<(EndpointFamily, Rate)>,
    /// Calls in a second, for a family that has no rule.
    pub(super) others: f64,
    /// The service's limits are not those of a server on this machine.
    pub(super) near: bool,
}

impl Rates {
    pub(crate) fn of(&self, family: EndpointFamily) -> Rate {
        if let Some((_, rate)) = self.set.iter().rev().find(|(set, _)| *set == family) {
            return *rate;
        }
        let rule = TABLE.iter().find(|(of, ..)| *of == family).and_then(|(_, _, rule)| *rule);
        match rule.filter(|_| !self.near) {
            // A minute's worth may come at once: the limit is on the minute, not on its seconds.
            Some(minute) => Rate::per_second(f64::from(minute) / 60.0).with_burst(minute),
            None => self.default_rate(),
        }
    }

    pub(crate) fn default_rate(&self) -> Rate {
        Rate::per_second(self.others)
    }

    /// Every class of the client with its rate.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (&'static str, Rate)> {
        TABLE.iter().map(|(family, class, _)| (*class, self.of(*family)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_calls_a_minute_and_a_minutes_worth_may_come_at_once() {
        let mut rates = Rates { others: 100.0, ..Rates::default() };
        for (family, minute) in [
            (EndpointFamily::StatementSubmit, 200),
            (EndpointFamily::Catalog, 500),
            (EndpointFamily::JobsSubmit, 100),
            (EndpointFamily::Jobs, 1000),
        ] {
            assert_eq!(rates.of(family), Rate::per_second(f64::from(minute) / 60.0).with_burst(minute), "{family:?}");
        }
        for family in [EndpointFamily::Statements, EndpointFamily::Cancel, EndpointFamily::Files, EndpointFamily::Dbfs]
        {
            assert_eq!(rates.of(family), Rate::per_second(100.0), "{family:?}");
        }
        rates.set.push((EndpointFamily::Jobs, Rate::UNLIMITED));
        assert_eq!(rates.of(EndpointFamily::Jobs), Rate::UNLIMITED);
        rates.near = true;
        assert_eq!(rates.of(EndpointFamily::StatementSubmit), Rate::per_second(100.0));
        assert_eq!(rates.classes().count(), TABLE.len());
    }
}
