//! Settings of a session that hold for some calls and not for others.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

/// What the server's sessions run with for the calls of one handle; see
/// [`RedshiftWarehouse::with_settings`](crate::RedshiftWarehouse::with_settings).
///
/// What is not said stays as the server and the configuration have it. Nothing reaches the next user of a connection: it is
/// reset in between.
///
/// ```
/// use twinhouse_redshift::SessionSettings;
///
/// let nightly = SessionSettings::default()
///     .with_query_group("nightly")
///     .with_result_cache(false)
///     .with_search_path(["staging", "public"]);
/// # let _ = nightly;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSettings {
    /// The queue of workload management, and the label in the query history: Redshift has one setting for both. A call with
    /// a label of its own is refused beside it.
    pub query_group: Option<String>,
    /// Whether a result that the server still has may be given again.
    pub result_cache: Option<bool>,
    /// Where names without a schema are looked for, first to last.
    pub search_path: Vec<String>,
    /// How many slots of its queue a query takes, 1 to 50; for queues without automatic management.
    pub slot_count: Option<u32>,
    /// Whether quoted names keep their case. Off, they fold to lower case like all others.
    pub case_sensitive_names: Option<bool>,
}

impl SessionSettings {
    /// Sets the queue, and the label in the query history.
    #[must_use]
    pub fn with_query_group(mut self, group: impl Into<String>) -> Self {
        self.query_group = Some(group.into());
        self
    }

    /// Says whether a result that the server still has may be given again.
    #[must_use]
    pub fn with_result_cache(mut self, on: bool) -> Self {
        self.result_cache = Some(on);
        self
    }

    /// Sets where names without a schema are looked for.
    #[must_use]
    pub fn with_search_path<S: Into<String>>(mut self, schemas: impl IntoIterator<Item = S>) -> Self {
        self.search_path = schemas.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how many slots of its queue a query takes.
    #[must_use]
    pub fn with_slot_count(mut self, slots: u32) -> Self {
        self.slot_count = Some(slots);
        self
    }

    /// Says whether quoted names keep their case.
    #[must_use]
    pub fn with_case_sensitive_names(mut self, on: bool) -> Self {
        self.case_sensitive_names = Some(on);
        self
    }

    /// Refuses what no server would take, before anything is sent.
    pub(crate) fn check(&self) -> Result<()> {
        if self.slot_count.is_some_and(|slots| !(1..=50).contains(&slots)) {
            return Err(Error::new(ErrorKind::InvalidInput, "a query takes 1 to 50 slots")
                .with_context("setting", "slot_count"));
        }
        self.changes(&Self::default(), None).map(|_| ())
    }

    /// The statements that turn a session with the settings `before` into one with these.
    pub(crate) fn changes(&self, before: &Self, own_path: Option<&str>) -> Result<Vec<String>> {
        let mut changes = Vec::new();
        let mut change = |name: &str, value: Option<String>| {
            changes.push(value.map_or_else(|| format!("RESET {name}"), |value| format!("SET {name} TO {value}")));
        };
        let switch = |on: Option<bool>| on.map(|on| if on { "on" } else { "off" }.to_owned());
        if self.query_group != before.query_group {
            let group = self.query_group.as_deref().map(|group| RedshiftDialect.string(group)).transpose();
            change("query_group", group.map_err(|error| error.with_context("setting", "query_group"))?);
        }
        if self.result_cache != before.result_cache {
            change("enable_result_cache_for_session", switch(self.result_cache));
        }
        if self.slot_count != before.slot_count {
            change("wlm_query_slot_count", self.slot_count.map(|slots| slots.to_string()));
        }
        if self.case_sensitive_names != before.case_sensitive_names {
            change("enable_case_sensitive_identifier", switch(self.case_sensitive_names));
        }
        if self.search_path != before.search_path {
            if let ([], Some(own)) = (&self.search_path[..], own_path) {
                changes.push(own.to_owned());
            } else if self.search_path.is_empty() {
                changes.push("RESET search_path".to_owned());
            } else {
                let names = self.search_path.iter().map(|name| RedshiftDialect.quote(name));
                let names =
                    names.collect::<Result<Vec<_>>>().map_err(|error| error.with_context("setting", "search_path"))?;
                changes.push(format!("SET search_path TO {}", names.join(", ")));
            }
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_set_once_and_undone_by_name() {
        let none = SessionSettings::default();
        let all = SessionSettings::default()
            .with_query_group("it's \\")
            .with_result_cache(false)
            .with_slot_count(3)
            .with_case_sensitive_names(true)
            .with_search_path(["a\"b", "$user"]);
        assert_eq!(
            all.changes(&none, None).unwrap(),
            [
                r"SET query_group TO 'it''s \\'",
                "SET enable_result_cache_for_session TO off",
                "SET wlm_query_slot_count TO 3",
                "SET enable_case_sensitive_identifier TO on",
                r#"SET search_path TO "a""b", "$user""#,
            ]
        );
        assert!(all.changes(&all, None).unwrap().is_empty());
        let undone = none.changes(&all, Some("SET search_path TO \"mine\"")).unwrap();
        assert_eq!(undone.len(), 5);
        assert!(undone[..4].iter().all(|change| change.starts_with("RESET ")), "{undone:?}");
        assert_eq!(undone[4], "SET search_path TO \"mine\"");
    }

    #[test]
    fn what_no_server_takes_is_refused_by_name() {
        for (settings, setting) in [
            (SessionSettings::default().with_slot_count(0), "slot_count"),
            (SessionSettings::default().with_slot_count(51), "slot_count"),
            (SessionSettings::default().with_query_group("a\0b"), "query_group"),
            (SessionSettings::default().with_search_path([""]), "search_path"),
            (SessionSettings::default().with_search_path(["x".repeat(128)]), "search_path"),
        ] {
            let error = settings.check().unwrap_err();
            assert_eq!((error.kind(), error.context("setting")), (ErrorKind::InvalidInput, Some(setting)));
        }
    }
}
