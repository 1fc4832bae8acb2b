use super::*;

fn answer(status: u16, retry: Option<&str>, body: &str) -> Error {
    let mut headers = HeaderMap::new();
    if let Some(retry) = retry {
        headers.insert("retry-after", retry.parse().unwrap());
    }
    from_answer(status, &headers, body.as_bytes())
}

fn statement(message: &str, code: &str, sqlstate: Option<&str>) -> Error {
    let error = wire::StatusError { error_code: Some(code.into()), message: Some(message.into()), sql_state: None };
    let status =
        wire::Status { state: wire::State::Failed, error: Some(error), sql_state: sqlstate.map(str::to_owned) };
    from_status(&status, "01-ab")
}

#[test]
fn every_code_has_its_kind_and_its_fault_whatever_the_status_says() {
    for (code, kind, what) in CODES {
        let error = answer(400, None, &format!(r#"{{"error_code":"{code}","message":"m"}}"#));
        assert_eq!((error.kind(), error.fault()), (*kind, what.fault(None)), "{code}");
        assert_eq!(error.vendor_code(), Some(*code));
    }
}

#[test]
fn a_code_that_says_nothing_leaves_the_word_to_the_status() {
    for code in ["INTERNAL_ERROR", "UNKNOWN"] {
        let body = format!(r#"{{"error_code":"{code}","message":"No space left on device"}}"#);
        assert_eq!(answer(507, None, &body).kind(), ErrorKind::ResourceExhausted);
        assert!(!answer(507, None, &body).is_retryable());
        assert_eq!(answer(502, None, &body).kind(), ErrorKind::Unavailable);
        assert_eq!(answer(500, None, &body).kind(), ErrorKind::Internal);
    }
    assert_eq!(answer(503, None, r#"{"error_code":"NOT_FOUND"}"#).kind(), ErrorKind::NotFound);
}

#[test]
fn every_status_has_its_kind_and_its_fault() {
    for (status, wish, kind, what) in STATUSES {
        let retry = (*wish == Wish::Sent).then_some("7");
        let error = answer(*status, retry, "");
        let wait = retry.map(|_| Duration::from_secs(7));
        assert_eq!((error.kind(), error.fault()), (*kind, what.fault(wait)), "{status}");
    }
    assert_eq!(answer(418, None, "").fault(), Fault::PERMANENT);
    assert_eq!(answer(599, None, "").fault(), Fault::transient(Effect::Unknown));
}

#[test]
fn every_sql_class_and_sqlstate_has_its_kind_and_its_fault() {
    for (class, kind, what) in CLASSES {
        let error = statement(&format!("[{class}] no. SQLSTATE: 99999"), "BAD_REQUEST", None);
        assert_eq!((error.kind(), error.fault()), (*kind, what.fault(None)), "{class}");
    }
    for (sqlstate, kind, what) in SQLSTATES {
        let full = format!("{sqlstate:0<5}");
        let first = SQLSTATES.iter().find(|(prefix, ..)| full.starts_with(prefix)).unwrap();
        let error = statement("[NEW_CLASS] no", "BAD_REQUEST", Some(&full));
        assert_eq!((error.kind(), error.fault()), (first.1, first.2.fault(None)), "{sqlstate}");
        assert!(first.0 != *sqlstate || (first.1, first.2) == (*kind, *what));
    }
    let conflict = statement("[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] no", "BAD_REQUEST", None);
    assert_eq!((conflict.kind(), conflict.is_retryable()), (ErrorKind::Conflict, false));
    let append = statement("[DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT] no", "BAD_REQUEST", Some("2D521"));
    assert_eq!((append.kind(), append.fault()), (ErrorKind::Conflict, Fault::transient(Effect::None)));
}

#[test]
fn a_redirect_is_told_and_not_followed_and_its_target_not_kept() {
    let redirect = |target: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("location", target.parse().unwrap());
        from_answer(302, &headers, b"<html><title>Found</title></html>")
    };
    let private = redirect("https://h/login.html?error=private-link-validation-error:42");
    assert_eq!((private.kind(), private.fault()), (ErrorKind::PermissionDenied, Fault::PERMANENT));
    assert_eq!(private.vendor_code(), Some("PRIVATE_LINK_VALIDATION_ERROR"));
    assert!(private.message().contains("private link"), "{private}");
    let other = redirect("https://h/login?next=canary");
    assert_eq!((other.kind(), other.vendor_code()), (ErrorKind::PermissionDenied, None));
    assert!(other.message().contains("redirect") && !format!("{other:?}").contains("canary"), "{other}");
}

/// A decoder that wants text there hides the message from whoever has to act on it.
#[test]
fn sdk_go_1061_a_numeric_error_code_hides_no_message() {
    for (body, code) in [
        (r#"{"error_code":403,"message":"Unauthorized network access"}"#, "403"),
        (r#"{"error_code":"403","message":"Unauthorized network access"}"#, "403"),
    ] {
        let error = answer(403, None, body);
        assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::PermissionDenied, Some(code)));
        assert_eq!(error.message(), "Unauthorized network access");
    }
}

#[test]
fn all_five_shapes_of_a_body_are_read() {
    for (body, code, message) in [
        (r#"{"error_code":"NOT_FOUND","message":"no such"}"#, Some("NOT_FOUND"), "no such"),
        (r#"{"error_code":403,"message":"Invalid access token."}"#, Some("403"), "Invalid access token."),
        (r#"{"error":"Exception: no"}"#, None, "Exception: no"),
        (r#"{"detail":"no user","status":"404","scimType":"noTarget"}"#, Some("noTarget"), "no user"),
        ("RESOURCE_DOES_NOT_EXIST: gone", Some("RESOURCE_DOES_NOT_EXIST"), "gone"),
        ("<html><title>t</title><body><pre> broken </pre></body></html>", None, "broken"),
        ("<html><title>502 Bad Gateway</title></html>", None, "502 Bad Gateway"),
        ("", None, "the service answered with status 404"),
        ("upstream gone", None, "upstream gone"),
    ] {
        let error = answer(404, None, body);
        assert_eq!((error.vendor_code(), error.message()), (code, message), "{body}");
    }
}

#[test]
fn an_expired_token_is_told_from_a_refused_action() {
    let body = r#"{"error_code":403,"message":"Invalid access token."}"#;
    assert_eq!(answer(403, None, body).kind(), ErrorKind::Unauthenticated);
    assert_eq!(answer(403, None, r#"{"error_code":"PERMISSION_DENIED"}"#).kind(), ErrorKind::PermissionDenied);
}

#[test]
fn details_give_request_id_reason_and_the_wait() {
    let body = r#"{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"m","details":[
        {"@type":"type.googleapis.com/google.rpc.RequestInfo","request_id":"r-1"},
        {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"WHY","domain":"d"},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retry_delay":"3.5s"}]}"#;
    let error = answer(400, None, body);
    assert_eq!(error.request_id(), Some("r-1"));
    assert_eq!(error.context("reason"), Some("WHY"));
    assert_eq!(error.fault(), Fault::throttled(Some(Duration::from_millis(3500))));
    let both = answer(429, Some("9"), body);
    assert_eq!(both.retry_after(), Some(Duration::from_secs(9)), "the header goes before the body");
}

#[test]
fn a_syntax_error_has_class_sqlstate_and_position_and_not_the_statement() {
    let text = "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 2, pos 0)\n\n== SQL ==\nINSER secret\n^^^\n";
    let error = statement(text, "BAD_REQUEST", None);
    assert_eq!(error.kind(), ErrorKind::Syntax);
    assert_eq!((error.sqlstate(), error.vendor_code()), (Some("42601"), Some("PARSE_SYNTAX_ERROR")));
    assert_eq!(error.context("position"), Some("line 2, column 1"));
    assert_eq!(error.statement_id(), Some("01-ab"));
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    assert!(error.message().contains("near 'INSER'"));
}

#[test]
fn a_failure_that_says_nothing_is_not_taken_for_harmless() {
    let error = from_status(&wire::Status::default(), "01");
    assert_eq!(error.fault(), Fault::transient(Effect::Unknown));
    assert_eq!(error.message(), "the statement failed");
}
