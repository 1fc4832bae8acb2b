//! Several statements in one call.

use std::sync::Arc;

use serde_json::Value;

use super::{
    super::{Aws, answer::Failure, call::Call},
    statement::{Outcome, Statement, Status},
    submit::{hand_in, prepare, run, words},
};
use crate::redshift::Visitor;

/// The most statements of a batch.
const MOST: usize = 40;

pub(super) async fn execute(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    let wrong = || Failure::invalid(format!("Sqls must be a list of 1 to {MOST} statements."));
    let sqls = call.value("Sqls").and_then(Value::as_array).ok_or_else(wrong)?;
    let sqls: Vec<String> = sqls.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if !(1..=MOST).contains(&sqls.len()) {
        return Err(wrong());
    }
    let atomic = match call.text("ExecutionMode") {
        None | Some("TRANSACTION") => true,
        Some("AUTO_COMMIT") => false,
        Some(_) => return Err(Failure::invalid("ExecutionMode must be TRANSACTION or AUTO_COMMIT.")),
    };
    let mut submission = prepare(aws, call, sqls)?;
    submission.statement.is_batch = true;
    hand_in(aws, call, submission, move |_, statement, visitor| Box::pin(run_all(statement, visitor, atomic))).await
}

/// Runs them one after the other; the first that fails ends it.
async fn run_all(
    statement: Arc<Statement>,
    mut visitor: Visitor,
    atomic: bool,
) -> (Option<Visitor>, Result<(), String>) {
    let ran = async {
        if atomic {
            visitor.run("BEGIN", &mut Outcome::default()).await?;
        }
        for part in &statement.parts {
            if statement.is_stopping() {
                part.lock().status = Status::Aborted;
                let message = "Query cancelled on user's request".to_owned();
                return Err(crate::redshift::Refusal { code: "57014".to_owned(), message });
            }
            run(&mut visitor, part, statement.format).await?;
        }
        if atomic {
            visitor.run("COMMIT", &mut Outcome::default()).await?;
        }
        Ok(())
    };
    let ran = ran.await;
    if ran.is_err() && atomic {
        // A connection that is lost has rolled back by itself.
        let _ = visitor.run("ROLLBACK", &mut Outcome::default()).await;
    }
    let lost = ran.as_ref().is_err_and(|refusal| refusal.code == "08006");
    ((!lost).then_some(visitor), ran.map_err(|refusal| words(&refusal)))
}
