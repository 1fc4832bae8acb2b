//! Which fault meets which operation, and at which of its calls.

use std::time::Duration;

use twinhouse_sandbox::{FaultKind, FaultRule, Front, When};

use super::{
    operation::Operation,
    place::{Backend, Login},
};

/// One cell of the page.
pub(super) struct Case {
    pub(super) label: &'static str,
    pub(super) operation: Operation,
    pub(super) rule: FaultRule,
    pub(super) login: Login,
}

const SOON: Option<Duration> = Some(Duration::from_secs(1));

const THROTTLED: FaultKind = FaultKind::Throttled { retry_after: None };
const BEFORE: FaultKind = FaultKind::Unavailable { when: When::Before, retry_after: None };
const AFTER: FaultKind = FaultKind::Unavailable { when: When::After, retry_after: None };
const RESET_BEFORE: FaultKind = FaultKind::Reset { when: When::Before };
const RESET_AFTER: FaultKind = FaultKind::Reset { when: When::After };
const SLOW: FaultKind = FaultKind::Slow { pause: Duration::from_millis(5) };

/// What any call over HTTP may meet.
const HTTP: [(&str, FaultKind); 11] = [
    ("throttled", THROTTLED),
    ("throttled, Retry-After 1 s", FaultKind::Throttled { retry_after: SOON }),
    ("unavailable before", BEFORE),
    ("unavailable before, Retry-After 1 s", FaultKind::Unavailable { when: When::Before, retry_after: SOON }),
    ("unavailable after", AFTER),
    ("reset before", RESET_BEFORE),
    ("reset after", RESET_AFTER),
    ("truncated", FaultKind::Truncated),
    ("wrong_length", FaultKind::WrongLength),
    ("slow", SLOW),
    ("drop_idle", FaultKind::DropIdle),
];

pub(super) fn of(backend: Backend) -> Vec<Case> {
    match backend {
        Backend::Links => links(),
        Backend::Inline => inline(),
        Backend::Wire => wire(),
        Backend::DataApi => data_api(),
    }
}

/// The call of the workspace that does the work of an operation.
fn work(operation: Operation, kind: FaultKind) -> FaultRule {
    let rule = FaultRule::databricks(kind);
    match operation {
        Operation::Load | Operation::DeltaWrite => rule.with_sql("COPY INTO"),
        Operation::Merge => rule.with_sql("MERGE INTO"),
        Operation::Describe | Operation::List => rule.with_method("GET").with_path("/unity-catalog/tables"),
        _ => rule.with_sql("meets_fault"),
    }
}

fn case(label: &'static str, operation: Operation, rule: FaultRule) -> Case {
    Case { label, operation, rule, login: Login::Fixed }
}

fn links() -> Vec<Case> {
    let mut cases = Vec::new();
    for (label, kind) in HTTP {
        cases.extend(Operation::of(Backend::Links).iter().map(|op| case(label, *op, work(*op, kind))));
    }
    for op in Operation::of(Backend::Links) {
        cases.push(case("token_revoked", *op, work(*op, FaultKind::TokenRevoked)));
        let again = case("token_revoked, OAuth", *op, work(*op, FaultKind::TokenRevoked));
        cases.push(Case { login: Login::OAuth, ..again });
        if !matches!(op, Operation::Describe | Operation::List) {
            let starting = FaultKind::WarehouseStarting { pause: Duration::from_millis(200) };
            cases.push(case("warehouse_starting", *op, work(*op, starting)));
            cases.push(case("disk_full", *op, work(*op, FaultKind::DiskFull)));
        }
    }
    let upload = |kind| FaultRule::databricks(kind).with_method("PUT").with_path("/api/2.0/fs/files/");
    for (label, kind) in [
        ("upload: throttled", THROTTLED),
        ("upload: unavailable before", BEFORE),
        ("upload: unavailable after", AFTER),
        ("upload: reset before", RESET_BEFORE),
        ("upload: reset after", RESET_AFTER),
        ("upload: drop_idle", FaultKind::DropIdle),
        ("upload: token_revoked", FaultKind::TokenRevoked),
        ("upload: disk_full", FaultKind::DiskFull),
    ] {
        for op in [Operation::Load, Operation::Merge, Operation::DeltaWrite] {
            cases.push(case(label, op, upload(kind)));
        }
    }
    let query = Operation::Query;
    for (label, kind) in [
        ("link: throttled", THROTTLED),
        ("link: unavailable before", BEFORE),
        ("link: reset before", RESET_BEFORE),
        ("link: truncated", FaultKind::Truncated),
        ("link: wrong_length", FaultKind::WrongLength),
        ("link: slow", SLOW),
        ("link: truncated_arrow", FaultKind::TruncatedArrow),
        ("link: expired_link", FaultKind::ExpiredLink),
    ] {
        cases.push(case(label, query, FaultRule::links(kind)));
    }
    let early = FaultKind::EarlyLink { after: Duration::ZERO };
    cases.push(case("link: early_link", query, chunk(early)));
    cases
}

/// The call that asks for a further chunk of a result.
fn chunk(kind: FaultKind) -> FaultRule {
    FaultRule::databricks(kind).with_method("GET").with_path("/result/chunks/")
}

fn inline() -> Vec<Case> {
    let mut cases = Vec::new();
    for (label, kind) in HTTP.into_iter().chain([("token_revoked", FaultKind::TokenRevoked)]) {
        cases.extend(Operation::of(Backend::Inline).iter().map(|op| case(label, *op, work(*op, kind))));
    }
    for (label, kind) in [
        ("chunk: throttled", THROTTLED),
        ("chunk: unavailable before", BEFORE),
        ("chunk: reset before", RESET_BEFORE),
        ("chunk: truncated", FaultKind::Truncated),
        ("chunk: wrong_length", FaultKind::WrongLength),
        ("chunk: slow", SLOW),
        ("chunk: token_revoked", FaultKind::TokenRevoked),
    ] {
        cases.push(case(label, Operation::Query, chunk(kind)));
    }
    cases
}

/// The statement of the cluster that does the work of an operation.
fn statement(operation: Operation, kind: FaultKind) -> FaultRule {
    let rule = FaultRule::redshift(kind);
    match operation {
        Operation::Load => rule.with_sql("COPY"),
        Operation::Merge => rule.with_sql("UPDATE"),
        Operation::Unload => rule.with_sql("UNLOAD"),
        Operation::Describe | Operation::List => rule.with_sql("svv_all_tables"),
        _ => rule.with_sql("meets_fault"),
    }
}

fn wire() -> Vec<Case> {
    let mut cases = Vec::new();
    let kinds = [
        ("reset before", RESET_BEFORE),
        ("reset after", RESET_AFTER),
        ("drop_idle", FaultKind::DropIdle),
        ("kill_backend", FaultKind::KillBackend),
        ("serialization_conflict", FaultKind::SerializationConflict),
        ("disk_full", FaultKind::DiskFull),
    ];
    for (label, kind) in kinds {
        cases.extend(Operation::of(Backend::Wire).iter().map(|op| case(label, *op, statement(*op, kind))));
    }
    for (label, kind) in [
        ("commit: reset before", RESET_BEFORE),
        ("commit: reset after", RESET_AFTER),
        ("commit: kill_backend", FaultKind::KillBackend),
        ("commit: serialization_conflict", FaultKind::SerializationConflict),
    ] {
        for op in [Operation::Load, Operation::Merge] {
            cases.push(case(label, op, FaultRule::redshift(kind).with_sql("COMMIT")));
        }
    }
    for (label, kind) in [
        ("S3: throttled (SlowDown)", THROTTLED),
        ("S3: unavailable before", BEFORE),
        ("S3: unavailable after", AFTER),
        ("S3: reset before", RESET_BEFORE),
        ("S3: reset after", RESET_AFTER),
        ("S3: drop_idle", FaultKind::DropIdle),
        ("S3: credential_expired", FaultKind::CredentialExpired),
        ("S3: disk_full", FaultKind::DiskFull),
    ] {
        cases.push(case(label, Operation::Load, FaultRule::s3(kind).with_method("PUT")));
    }
    cases
}

fn data_api() -> Vec<Case> {
    let mut cases = Vec::new();
    let submit = |kind| FaultRule::aws(kind).with_path("RedshiftData.ExecuteStatement");
    for (label, kind) in HTTP.into_iter().chain([("credential_expired", FaultKind::CredentialExpired)]) {
        for op in [Operation::Query, Operation::Insert] {
            cases.push(case(label, op, submit(kind)));
        }
        for op in [Operation::Describe, Operation::List] {
            cases.push(case(label, op, FaultRule::aws(kind).with_path("RedshiftData.")));
        }
    }
    for (label, kind) in [
        ("result: throttled", THROTTLED),
        ("result: unavailable before", BEFORE),
        ("result: reset before", RESET_BEFORE),
        ("result: truncated", FaultKind::Truncated),
        ("result: wrong_length", FaultKind::WrongLength),
        ("result: slow", SLOW),
    ] {
        let rule = FaultRule::aws(kind).with_path("RedshiftData.GetStatementResult");
        cases.push(case(label, Operation::Query, rule));
    }
    for (label, kind) in [
        ("engine: kill_backend", FaultKind::KillBackend),
        ("engine: serialization_conflict", FaultKind::SerializationConflict),
        ("engine: disk_full", FaultKind::DiskFull),
    ] {
        for op in [Operation::Query, Operation::Insert] {
            let rule = FaultRule::new(Front::Redshift, kind).with_sql("meets_fault");
            cases.push(case(label, op, rule));
        }
    }
    cases
}
