//! What a token is asked to be good for.

use std::iter;

/// What a token is asked to be good for: its scopes, what it is limited to, and the group that it acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    scope: String,
    details: Option<String>,
    group: Option<String>,
}

impl Default for Grant {
    /// `all-apis`.
    fn default() -> Self {
        Self::scope("all-apis")
    }
}

impl Grant {
    /// These scopes, separated by blanks.
    pub fn scope(scope: impl Into<String>) -> Self {
        Self { scope: scope.into(), details: None, group: None }
    }

    /// No more than this: rich authorization details, as JSON.
    #[must_use]
    pub fn with_authorization_details(mut self, json: impl Into<String>) -> Self {
        self.details = Some(json.into());
        self
    }

    /// Acts as this group.
    #[must_use]
    pub fn with_group(mut self, id: impl Into<String>) -> Self {
        self.group = Some(id.into());
        self
    }

    /// The fields of the form.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let more = [("authorization_details", &self.details), ("assume_group", &self.group)];
        let more = more.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        iter::once(("scope", self.scope.as_str())).chain(more)
    }
}
