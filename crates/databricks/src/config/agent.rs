//! How this client introduces itself: product first, then what it is, then who uses it and where.

use twinhouse_core::{Error, Result, config::Env};

/// What the builder was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Agent {
    pub(super) whole: Option<String>,
    pub(super) product: Option<(String, String)>,
    pub(super) extras: Vec<(String, String)>,
}

/// Services that run programs, and the variable that gives each away.
const CICD: [(&str, &str, Option<&str>); 12] = [
    ("github", "GITHUB_ACTIONS", Some("true")),
    ("gitlab", "GITLAB_CI", Some("true")),
    ("jenkins", "JENKINS_URL", None),
    ("azure-devops", "TF_BUILD", Some("True")),
    ("circle", "CIRCLECI", Some("true")),
    ("travis", "TRAVIS", Some("true")),
    ("bitbucket", "BITBUCKET_BUILD_NUMBER", None),
    ("google-cloud-build", "BUILDER_OUTPUT", None),
    ("aws-code-build", "CODEBUILD_BUILD_ARN", None),
    ("tf-cloud", "TFC_RUN_ID", None),
    ("buildkite", "BUILDKITE", Some("true")),
    ("teamcity", "TEAMCITY_VERSION", None),
];

impl Agent {
    /// The header's value.
    pub(super) fn text(self, env: &Env, auth: &str) -> Result<String> {
        if let Some(whole) = self.whole {
            let fits = !whole.trim().is_empty() && whole.bytes().all(|b| (b' '..=b'~').contains(&b));
            return if fits {
                Ok(whole)
            } else {
                Err(Error::bad_setting("user_agent", "builder", "printable ASCII text"))
            };
        }
        let mut words = Vec::new();
        let mut add = |name: &str, version: &str| {
            if is_word(name) && is_word(version) {
                words.push(format!("{name}/{version}"));
                return Ok(());
            }
            let wish = "names and versions of letters, digits, `_`, `.`, `+` and `-`";
            Err(Error::bad_setting("user_agent", "builder", wish).with_context("name", name.escape_debug().to_string()))
        };
        if let Some((name, version)) = &self.product {
            add(name, version)?;
        }
        add("twinhouse-databricks", env!("CARGO_PKG_VERSION"))?;
        add("os", std::env::consts::OS)?;
        add("auth", auth)?;
        for (name, value) in &self.extras {
            add(name, value)?;
        }
        // Not ours to refuse: what the environment says badly is left out.
        for (name, variable) in
            [("upstream", "DATABRICKS_SDK_UPSTREAM"), ("upstream-version", "DATABRICKS_SDK_UPSTREAM_VERSION")]
        {
            if let Some(value) = env.var(variable) {
                let _ = add(name, value);
            }
        }
        let runs_in = |(_, variable, wanted): &&(&str, &str, Option<&str>)| {
            env.var(variable).is_some_and(|value| wanted.is_none_or(|wanted| value.eq_ignore_ascii_case(wanted)))
        };
        if let Some((name, ..)) = CICD.iter().find(runs_in) {
            add("cicd", name)?;
        }
        Ok(words.join(" "))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.+-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_product_client_system_login_partner_and_where_it_runs() {
        let env = Env::from_pairs([
            ("DATABRICKS_SDK_UPSTREAM", "pulumi"),
            ("DATABRICKS_SDK_UPSTREAM_VERSION", "1.2"),
            ("GITHUB_ACTIONS", "true"),
        ]);
        let agent = Agent {
            product: Some(("etl".to_owned(), "0.3.1".to_owned())),
            extras: vec![("partner".to_owned(), "acme".to_owned())],
            ..Agent::default()
        };
        let wanted = format!(
            "etl/0.3.1 twinhouse-databricks/{} os/{} auth/pat partner/acme upstream/pulumi upstream-version/1.2 cicd/github",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS
        );
        assert_eq!(agent.text(&env, "pat").unwrap(), wanted);
        let whole = Agent { whole: Some("mine/1".to_owned()), ..Agent::default() };
        assert_eq!(whole.text(&env, "pat").unwrap(), "mine/1");
    }

    #[test]
    fn what_would_break_the_header_is_refused_or_left_out() {
        for word in ["", "a b", "a/b", "a\r\nX-Evil: 1"] {
            let extras = vec![("partner".to_owned(), word.to_owned())];
            assert!(Agent { extras, ..Agent::default() }.text(&Env::empty(), "pat").is_err(), "{word:?}");
            let whole = Agent { whole: Some(format!("{word}\n")), ..Agent::default() };
            assert!(whole.text(&Env::empty(), "pat").is_err(), "{word:?}");
        }
        let env = Env::from_pairs([("DATABRICKS_SDK_UPSTREAM", "a b")]);
        assert!(!Agent::default().text(&env, "pat").unwrap().contains("upstream"));
    }
}
