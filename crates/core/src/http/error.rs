//! From reqwest's failures to ours, in one place.

use std::{error::Error as StdError, io, time::Duration};

use crate::{Effect, Error, ErrorKind, Fault};

/// The request failed before the head of the answer came.
pub(super) fn transport(error: reqwest::Error, host: Option<&str>) -> Error {
    let (kind, message, fault) = if error.is_builder() {
        (ErrorKind::InvalidInput, "the request is not valid", Fault::PERMANENT)
    } else if certificate_refused(&error) {
        // It will be refused again: nothing heals a wrong certificate but a human.
        (ErrorKind::Connection, "the server's certificate was not accepted", Fault::PERMANENT)
    } else if error.is_connect() && error.is_timeout() {
        (ErrorKind::Timeout, "no connection within the time given", Fault::transient(Effect::None))
    } else if error.is_connect() {
        (ErrorKind::Connection, "could not connect", Fault::transient(Effect::None))
    } else if error.is_timeout() {
        (ErrorKind::Timeout, "the connection timed out before the answer came", Fault::transient(Effect::Unknown))
    } else {
        (ErrorKind::Connection, "connection lost before the answer came", Fault::transient(Effect::Unknown))
    };
    let wait = (kind == ErrorKind::Timeout).then_some(if error.is_connect() { "connect" } else { "response" });
    let ours = Error::new(kind, message).with_fault(fault);
    let ours = match wait {
        Some(wait) => ours.with_context("wait", wait),
        None => ours,
    };
    with_host(ours, host).with_source(error.without_url())
}

/// No head of the answer within the time given.
pub(super) fn no_answer(limit: Duration, host: Option<&str>) -> Error {
    let error = Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}"))
        .with_fault(Fault::transient(Effect::Unknown))
        .with_context("wait", "response");
    with_host(error, host)
}

/// The answer began and did not end.
pub(super) fn cut_short(error: reqwest::Error) -> Error {
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::Timeout, "the answer stopped coming")
    } else {
        (ErrorKind::Connection, "the answer was cut short")
    };
    Error::new(kind, message)
        .with_fault(Fault::transient(Effect::Unknown))
        .with_context("wait", "body")
        .with_source(error.without_url())
}

/// The answer began, and then nothing came for too long.
pub(super) fn stalled(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("the answer stopped coming for {limit:?}"))
        .with_fault(Fault::transient(Effect::Unknown))
        .with_context("wait", "body")
}

fn with_host(error: Error, host: Option<&str>) -> Error {
    match host {
        Some(host) => error.with_context("host", host),
        None => error,
    }
}

fn certificate_refused(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        // rustls's error travels inside an `io::Error`, whose own `source` skips it.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = error.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()));
        if matches!(tls, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
