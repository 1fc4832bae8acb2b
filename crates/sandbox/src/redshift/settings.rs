//! SET, SHOW and RESET: Redshift's own settings live in the engine as `redshift.<name>`, so that LOCAL, ROLLBACK
//! and RESET ALL mean what they should.

use super::{
    edits::Edits,
    lexer::{Lexed, quote_literal},
    report::Report,
    show,
};

/// Redshift's settings that the engine does not know, with what SHOW says before they are set.
const OWN: &[(&str, &str)] = &[
    ("query_group", "unset"),
    ("enable_result_cache_for_session", "on"),
    ("enable_case_sensitive_identifier", "off"),
    ("enable_case_sensitive_super_attribute", "off"),
    ("downcase_delimited_identifier", "on"),
    ("describe_field_name_in_uppercase", "off"),
    ("navigate_super_null_on_error", "on"),
    ("cast_super_null_on_error", "on"),
    ("json_serialization_enable", "off"),
    ("json_serialization_parse_nested_strings", "off"),
    ("analyze_threshold_percent", "10"),
    ("wlm_query_slot_count", "1"),
    ("mv_enable_aqmv_for_session", "on"),
    ("error_on_nondeterministic_update", "off"),
    ("max_concurrency_scaling_clusters", "1"),
    ("enable_vacuum_boost", "off"),
    ("spectrum_enable_pseudo_columns", "on"),
    ("spectrum_query_maxerror", "-1"),
    ("pg_federation_repeatable_read", "on"),
];

/// Settings of both.
const SHARED: &[&str] = &[
    "search_path",
    "datestyle",
    "extra_float_digits",
    "timezone",
    "statement_timeout",
    "client_encoding",
    "application_name",
    "client_min_messages",
    "session_authorization",
    "transaction_isolation",
    "transaction_read_only",
    "default_transaction_read_only",
    "default_transaction_isolation",
    "is_superuser",
    "max_cursor_result_set_size",
];

/// True for a setting that Redshift has and the engine has not.
pub(super) fn is_own(name: &str) -> bool {
    OWN.iter().any(|(own, _)| *own == name)
}

/// What a statement changes that the front must know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    CaseSensitive(bool),
    QueryGroup(Option<String>),
    /// RESET ALL.
    All,
}

/// Checks a setting that a client wants at start-up or by SET, and answers the engine's name for it.
pub(super) fn engine_name(name: &str, value: Option<&str>) -> Result<String, Report> {
    let name = name.to_ascii_lowercase();
    if is_own(&name) {
        return Ok(format!("redshift.{name}"));
    }
    match name.as_str() {
        // Not for ordinary users there.
        "lc_monetary" => Err(Report::error("42501", "permission denied to set parameter \"lc_monetary\"")),
        "extra_float_digits"
            if value.and_then(|value| value.parse().ok()).is_some_and(|n: i32| !(-15..=2).contains(&n)) =>
        {
            let value = value.unwrap_or_default();
            Err(Report::error(
                "22023",
                format!("{value} is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)"),
            ))
        }
        _ if SHARED.contains(&name.as_str()) || name.contains('.') => Ok(name),
        _ => Err(Report::error("42704", format!("unrecognized configuration parameter \"{name}\""))),
    }
}

/// Rewrites SET, SHOW and RESET, and the isolation level of BEGIN, START and SET TRANSACTION.
pub(super) fn rewrite(s: &Lexed<'_>, edits: &mut Edits) -> Result<Option<Change>, Report> {
    if s.is_any(0, &["begin", "start"]) || (s.is(0, "set") && (1..5).any(|i| s.is(i, "transaction"))) {
        isolation_level(s, edits);
        return Ok(None);
    }
    if s.is(0, "set") {
        return set(s, edits);
    }
    if s.is(0, "reset") {
        if s.is(1, "all") {
            return Ok(Some(Change::All));
        }
        let name = s.name(1);
        if s.is_name(1) && s.len() == 2 {
            edits.replace(s.tokens[1].at.clone(), engine_name(&name, None)?);
        }
        return Ok(changed(&name, None));
    }
    if s.is(0, "show") {
        show_setting(s, edits)?;
    }
    Ok(None)
}

fn set(s: &Lexed<'_>, edits: &mut Edits) -> Result<Option<Change>, Report> {
    let at = 1 + usize::from(s.is_any(1, &["session", "local"]));
    if s.is_any(at, &["authorization", "characteristics", "names", "time", "role", "constraints"]) {
        return Ok(None);
    }
    let end = s.after_name(at);
    let value = end + 1;
    if end > at + 1 || !(s.is(end, "to") || s.is_sign(end, '=')) {
        // Two-part names are the user's own; anything else is for the engine's parser.
        return Ok(None);
    }
    let name = s.name(at);
    let text = match (s.is_sign(value, '-'), s.is(value, "default")) {
        (true, _) => Some(format!("-{}", s.value(value + 1))),
        (_, true) => None,
        _ => Some(s.value(value)),
    };
    edits.replace(s.tokens[at].at.clone(), engine_name(&name, text.as_deref())?);
    if name == "default_transaction_isolation" && text.is_some() {
        edits.replace(s.span(&(value..s.len())), "'serializable'");
    }
    Ok(changed(&name, text.as_deref()))
}

fn changed(name: &str, value: Option<&str>) -> Option<Change> {
    match name {
        "query_group" => Some(Change::QueryGroup(value.map(str::to_owned))),
        "enable_case_sensitive_identifier" => Some(Change::CaseSensitive(
            value.is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "on" | "1" | "yes" | "t")),
        )),
        _ => None,
    }
}

fn show_setting(s: &Lexed<'_>, edits: &mut Edits) -> Result<(), Report> {
    if s.is(1, "all") || s.is(1, "time") || s.after_name(1) > 2 || s.are(1, &["transaction", "isolation", "level"]) {
        return Ok(());
    }
    if let Some(query) = show::query(s) {
        edits.replace(s.span(&(0..s.len())), query);
        return Ok(());
    }
    if s.len() > 2 || s.is_any(1, &["databases", "schemas", "tables", "columns", "grants", "procedures", "functions"]) {
        return Err(Report::not_in_sandbox(&format!("SHOW {}", s.raw(1).to_uppercase())));
    }
    let name = s.name(1);
    if let Some((_, default)) = OWN.iter().find(|(own, _)| *own == name) {
        let setting = format!("current_setting('redshift.{name}', true)");
        let sql = format!("SELECT coalesce(nullif({setting}, ''), {})::text AS {name}", quote_literal(default));
        edits.replace(s.span(&(0..s.len())), sql);
        return Ok(());
    }
    engine_name(&name, None).map(|_| ())
}

/// Every level is accepted, and the database's own is what one gets.
fn isolation_level(s: &Lexed<'_>, edits: &mut Edits) {
    let Some(at) = (0..s.len()).find(|i| s.are(*i, &["isolation", "level"])) else { return };
    let words = match () {
        () if s.is(at + 2, "serializable") => 1,
        () if s.is_any(at + 2, &["read", "repeatable"]) => 2,
        () => return,
    };
    edits.replace(s.span(&(at + 2..(at + 2 + words).min(s.len()))), "SERIALIZABLE");
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::tokens, *};

    fn rewritten(sql: &str) -> Result<(String, Option<Change>), String> {
        let tokens = tokens(sql);
        let lexed = Lexed::new(sql, &tokens);
        let mut edits = Edits::default();
        let change = rewrite(&lexed, &mut edits).map_err(|report| report.code.clone())?;
        Ok((edits.apply(sql, 0..sql.len()).0, change))
    }

    #[test]
    fn own_settings_are_kept_under_a_name_the_engine_takes() {
        let (sql, change) = rewritten("SET query_group TO 'nightly'").expect("taken");
        assert_eq!(sql, "SET redshift.query_group TO 'nightly'");
        assert_eq!(change, Some(Change::QueryGroup(Some("nightly".to_owned()))));
        let (sql, change) = rewritten("set local enable_case_sensitive_identifier = true").expect("taken");
        assert_eq!(sql, "set local redshift.enable_case_sensitive_identifier = true");
        assert_eq!(change, Some(Change::CaseSensitive(true)));
        assert_eq!(rewritten("reset query_group").expect("taken").0, "reset redshift.query_group");
        assert_eq!(rewritten("reset all").expect("taken").1, Some(Change::All));
        assert!(rewritten("show query_group").expect("taken").0.ends_with("AS query_group"));
        assert_eq!(rewritten("set app.user = 'x'").expect("taken").0, "set app.user = 'x'");
    }

    #[test]
    fn settings_the_service_lacks_are_refused_with_its_codes() {
        for (sql, code) in [
            ("set work_mem = '1MB'", "42704"),
            ("set standard_conforming_strings to on", "42704"),
            ("set intervalstyle to postgres", "42704"),
            ("set lc_monetary to 'C'", "42501"),
            ("set extra_float_digits to 3", "22023"),
            ("set extra_float_digits to -16", "22023"),
            ("show server_version_num", "42704"),
            ("show tables", "0A000"),
        ] {
            assert_eq!(rewritten(sql), Err(code.to_owned()), "{sql}");
        }
    }

    #[test]
    fn every_isolation_level_is_taken_and_means_the_databases_own() {
        for level in ["read committed", "REPEATABLE READ", "serializable"] {
            let (sql, _) = rewritten(&format!("begin isolation level {level} read only")).expect("taken");
            assert_eq!(sql, "begin isolation level SERIALIZABLE read only");
        }
        for (sql, expected) in [
            (
                "set default_transaction_isolation to 'read committed'",
                "set default_transaction_isolation to 'serializable'",
            ),
            ("set default_transaction_isolation to default", "set default_transaction_isolation to default"),
            ("show transaction isolation level", "show transaction isolation level"),
        ] {
            assert_eq!(rewritten(sql).expect("taken").0, expected);
        }
    }
}
