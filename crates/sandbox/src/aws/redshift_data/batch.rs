//! Several statements in one call.

use std::sync::Arc;

use serde_json::Value;

use super::{
    super::{Aws, answer::Failure, call::Call},
    statement::{Statement, Status},
    submit::{Course, hand_in, prepare, run, words},
};
use crate::redshift::Visitor;

/// The most statements of a batch.
const MOST: usize = 40;

pub(super) async fn execute(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    let wrong = || Failure::invalid(format!("Sqls must be a list of 1 to {MOST} statements."));
    let sqls = call.value("Sqls").and_then(Value::as_array).ok_or_else(wrong)?;
    let sqls: Option<Vec<String>> = sqls.iter().map(|sql| sql.as_str().map(str::to_owned)).collect();
    let sqls = sqls.ok_or_else(wrong)?;
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
    let run = move |aws, statement, visitor| -> Course { Box::pin(run_all(aws, statement, visitor, atomic)) };
    hand_in(aws, call, submission, run).await
}

/// Runs them one after the other; the first that fails ends it.
async fn run_all(
    aws: Arc<Aws>,
    statement: Arc<Statement>,
    mut visitor: Visitor,
    atomic: bool,
) -> (Option<Visitor>, Result<(), String>) {
    let ran = async {
        if atomic {
            visitor.command("BEGIN").await?;
        }
        for part in &statement.parts {
            if statement.is_stopping() {
                part.lock().status = Status::Aborted;
                let message = "Query cancelled on user's request".to_owned();
                return Err(crate::redshift::Refusal { code: "57014".to_owned(), message });
            }
            run(&aws, &mut visitor, part, statement.format).await?;
        }
        if atomic {
            visitor.command("COMMIT").await?;
        }
        Ok(())
    };
    let ran = ran.await;
    statement.disarm().await;
    if ran.is_err() && atomic {
        // A connection that is lost has rolled back by itself.
        let _ = visitor.command("ROLLBACK").await;
    }
    (visitor.if_alive(), ran.map_err(|refusal| words(&refusal)))
}
