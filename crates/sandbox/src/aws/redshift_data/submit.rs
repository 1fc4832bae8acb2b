//! Handing statements in, and running them.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use twinhouse_core::Secret;

use super::{
    super::{
        Aws, CLUSTER,
        answer::Failure,
        call::Call,
        credentials::{For, epoch, issue},
    },
    parameters,
    statement::{Format, Outcome, Part, Statement, Status},
};
use crate::redshift::{Refusal, Visitor};

/// The longest text of a call's statements.
const LONGEST: usize = 200 * 1024;

/// Where a statement is to run.
enum Place {
    /// In a session of its own that ends with it, or lives on under this name.
    New { user: String, password: Secret, keep: Option<String> },
    /// In a session that waits for it.
    Kept { id: String, visitor: Visitor },
}

/// What the two calls have in common.
pub(super) struct Submission {
    pub(super) statement: Statement,
    place: Place,
}

pub(super) async fn execute(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    let sql = call.required("Sql")?.to_owned();
    let submission = prepare(aws, call, vec![sql])?;
    hand_in(aws, call, submission, |aws, statement, visitor| Box::pin(run_alone(aws, statement, visitor))).await
}

/// Checks a call and finds its place.
pub(super) fn prepare(aws: &Arc<Aws>, call: &Call, sqls: Vec<String>) -> Result<Submission, Failure> {
    if sqls.iter().map(String::len).sum::<usize>() > LONGEST {
        return Err(Failure::invalid(format!("Query string size exceeded the limit of {} KB.", LONGEST / 1024)));
    }
    let bounded = |name: &str, least: usize, most: usize| match call.text(name) {
        Some(text) if !(least..=most).contains(&text.len()) => {
            Err(Failure::invalid(format!("The length of {name} must be between {least} and {most}.")))
        }
        text => Ok(text),
    };
    bounded("ClientToken", 1, 64)?;
    let name = bounded("StatementName", 0, 2048)?;
    let format = match call.text("ResultFormat") {
        None | Some("JSON") => Format::Json,
        Some("CSV") => Format::Csv,
        Some(_) => return Err(Failure::invalid("ResultFormat must be JSON or CSV.")),
    };
    let within = |name: &str, least: u64, most: u64| match call.number(name)? {
        Some(number) if !(least..=most).contains(&number) => {
            Err(Failure::invalid(format!("{name} must be between {least} and {most}.")))
        }
        number => Ok(number.map(Duration::from_secs)),
    };
    let keep_alive = within("SessionKeepAliveSeconds", 0, 86_400)?;
    within("WaitTimeSeconds", 1, 30)?;
    let given = parameters::read(call)?;
    let sqls = parameters::fill(sqls, &given)?;
    let target = target(call)?;
    let (database, session, place) = match call.text("SessionId") {
        Some(id) => {
            for other in ["Database", "DbUser", "SecretArn", "ClusterIdentifier", "WorkgroupName"] {
                if call.text(other).is_some() {
                    return Err(Failure::invalid(format!("{other} cannot be given together with SessionId.")));
                }
            }
            let (visitor, database) = aws.data_api.sessions.take(id, keep_alive)?;
            (database, Some(id.to_owned()), Place::Kept { id: id.to_owned(), visitor })
        }
        None => {
            let database = call.required("Database")?.to_owned();
            let (user, password) = login(aws, call, &target)?;
            let keep = match keep_alive.filter(|time| !time.is_zero()) {
                Some(time) => Some(aws.data_api.sessions.open(&database, time)?),
                None => None,
            };
            (database, keep.clone(), Place::New { user, password, keep })
        }
    };
    let mut statement = Statement::new(name, &database, target.unwrap_or(("", String::new())), sqls);
    (statement.session, statement.format) = (session, format);
    statement.parameters = call.value("Parameters").cloned().unwrap_or(Value::Null);
    Ok(Submission { statement, place })
}

pub(super) type Target = (&'static str, String);

/// The cluster or the workgroup: one and the same, under both names.
pub(super) fn target(call: &Call) -> Result<Option<Target>, Failure> {
    let (cluster, workgroup) = (call.text("ClusterIdentifier"), call.text("WorkgroupName"));
    match (cluster, workgroup, call.text("SessionId")) {
        (Some(_), Some(_), _) => Err(Failure::invalid("Give ClusterIdentifier or WorkgroupName, not both.")),
        (Some(CLUSTER), None, _) => Ok(Some(("ClusterIdentifier", CLUSTER.to_owned()))),
        (None, Some(name), _) if name == CLUSTER || name.ends_with(&format!(":workgroup/{CLUSTER}")) => {
            Ok(Some(("WorkgroupName", name.to_owned())))
        }
        (None, None, Some(_)) => Ok(None),
        (None, None, None) => Err(Failure::invalid("Either ClusterIdentifier or WorkgroupName must be provided.")),
        _ => Err(Failure::invalid("Redshift endpoint doesn't exist in this region.")),
    }
}

/// As whom the statement runs.
pub(super) fn login(aws: &Aws, call: &Call, target: &Option<Target>) -> Result<(String, Secret), Failure> {
    let serverless = matches!(target, Some(("WorkgroupName", _)));
    match (call.text("SecretArn"), call.text("DbUser")) {
        (Some(_), Some(_)) => Err(Failure::invalid("DbUser cannot be given together with SecretArn.")),
        (None, Some(_)) if serverless => Err(Failure::invalid("DbUser cannot be given for a workgroup.")),
        (Some(secret), None) => {
            let known = secret == super::super::SECRET || secret == super::super::secret_arn(&aws.region);
            let password = aws.logins.password(&aws.cluster.user).filter(|_| known);
            let password = password.ok_or_else(|| Failure::invalid("The secret could not be found."))?;
            Ok((aws.cluster.user.clone(), password))
        }
        (None, user) => {
            let whom = match user {
                Some(user) => For {
                    login: format!("IAM:{user}"),
                    user: user.to_lowercase(),
                    create: false,
                    groups: Vec::new(),
                    database: None,
                },
                None => For::identity(call, None),
            };
            Ok((whom.login.clone(), issue(aws, call, "DurationSeconds", whom)?.password))
        }
    }
}

pub(super) type Course = futures::future::BoxFuture<'static, (Option<Visitor>, Result<(), String>)>;

/// Takes the statement in, and has it run in a task.
pub(super) async fn hand_in(
    aws: &Arc<Aws>,
    call: &Call,
    submission: Submission,
    run: impl FnOnce(Arc<Aws>, Arc<Statement>, Visitor) -> Course + Send + 'static,
) -> Result<Value, Failure> {
    let Submission { statement, place } = submission;
    let (statement, new) = match aws.data_api.admit(statement, call.text("ClientToken")) {
        Ok(admitted) => admitted,
        Err(failure) => {
            leave(aws, place);
            return Err(failure);
        }
    };
    if new {
        let (aws, statement) = (Arc::clone(aws), Arc::clone(&statement));
        tokio::spawn(async move {
            let (session, entered) = match place {
                Place::Kept { id, visitor } => (Some(id), Ok(visitor)),
                Place::New { user, password, keep } => {
                    (keep, Visitor::enter(&aws.door, &user, &password, &statement.database).await)
                }
            };
            let (visitor, outcome) = match entered {
                Ok(visitor) if statement.start(visitor.key()).await => {
                    run(Arc::clone(&aws), Arc::clone(&statement), visitor).await
                }
                Ok(visitor) => (Some(visitor), Err("ERROR: Query cancelled on user's request".to_owned())),
                Err(refusal) => (None, Err(format!("{}: {}", "FATAL", refusal.message))),
            };
            statement.disarm().await;
            if let Some(session) = session {
                aws.data_api.sessions.give_back(&session, visitor);
            }
            // Only now: whoever sees the end may use the session at once.
            statement.end(outcome);
        });
    } else {
        leave(aws, place);
    }
    answer(call, &statement).await
}

/// What the service answers to a statement that was handed in, be it for the second time.
pub(super) async fn answer(call: &Call, statement: &Statement) -> Result<Value, Failure> {
    if let Some(seconds) = call.number("WaitTimeSeconds")? {
        statement.wait(Duration::from_secs(seconds.min(30))).await;
    }
    let mut answer = json!({
        "Id": statement.id,
        "CreatedAt": epoch(statement.created),
        "Database": statement.database,
        "Status": statement.status().name(),
    });
    if !statement.target.0.is_empty() {
        answer[statement.target.0] = json!(statement.target.1);
    }
    if let Some(session) = &statement.session {
        answer["SessionId"] = json!(session);
    }
    Ok(answer)
}

/// A place that is not taken after all.
fn leave(aws: &Aws, place: Place) {
    match place {
        Place::Kept { id, visitor } => aws.data_api.sessions.give_back(&id, Some(visitor)),
        Place::New { keep: Some(id), .. } => aws.data_api.sessions.give_back(&id, None),
        Place::New { .. } => {}
    }
}

/// The one statement of a call.
async fn run_alone(
    aws: Arc<Aws>,
    statement: Arc<Statement>,
    mut visitor: Visitor,
) -> (Option<Visitor>, Result<(), String>) {
    let ran = run(&aws, &mut visitor, &statement.parts[0], statement.format).await;
    // Without a live connection there is no session to go on with.
    (visitor.if_alive(), ran.map_err(|refusal| words(&refusal)))
}

/// Runs one text and keeps its answer.
pub(super) async fn run(aws: &Aws, visitor: &mut Visitor, part: &Part, format: Format) -> Result<(), Refusal> {
    part.lock().status = Status::Started;
    let began = std::time::Instant::now();
    part.lock().began = Some(began);
    let mut outcome = Outcome::new(format, aws.data_api.results.clone());
    let ran = visitor.run(&part.sql, &mut outcome).await;
    let ran = ran.and_then(|()| outcome.close().map_err(|error| Refusal::not_kept(&error)));
    let mut course = part.lock();
    course.nanos = began.elapsed().as_nanos();
    match &ran {
        Ok(()) => (course.status, course.outcome) = (Status::Finished, Some(outcome)),
        Err(refusal) => (course.status, course.error) = (Status::Failed, Some(words(refusal))),
    }
    ran
}

pub(super) fn words(refusal: &Refusal) -> String {
    format!("ERROR: {}", refusal.message)
}
