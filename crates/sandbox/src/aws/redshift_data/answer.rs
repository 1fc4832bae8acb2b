//! What has become of statements, and their end.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    super::{Aws, answer::Failure, call::Call, credentials::epoch},
    statement::{Part, Statement},
};

pub(super) async fn describe(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    let id = call.required("Id")?;
    let (statement, part) = aws.data_api.find(id)?;
    match call.number("WaitTimeSeconds")? {
        None => {}
        Some(seconds @ 1..=30) => statement.wait(Duration::from_secs(seconds)).await,
        Some(_) => return Err(Failure::invalid("WaitTimeSeconds must be between 1 and 30.")),
    }
    let mut answer = json!({
        "Id": id,
        "Status": statement.status().name(),
        "Database": statement.database,
        "CreatedAt": epoch(statement.created),
        "UpdatedAt": epoch(statement.updated()),
        "RedshiftPid": statement.process(),
        "ResultFormat": statement.format.name(),
    });
    if !statement.target.0.is_empty() {
        answer[statement.target.0] = json!(statement.target.1);
    }
    if let Some(session) = &statement.session {
        answer["SessionId"] = json!(session);
    }
    if !statement.parameters.is_null() {
        answer["QueryParameters"] = statement.parameters.clone();
    }
    if statement.is_batch && part.is_none() {
        let parts = statement.parts.iter().enumerate();
        let parts: Vec<_> = parts
            .map(|(at, part)| {
                let mut sub = of_part(part);
                sub["Id"] = json!(format!("{}:{}", statement.id, at + 1));
                sub["CreatedAt"] = json!(epoch(statement.created));
                sub["UpdatedAt"] = json!(epoch(statement.updated()));
                sub
            })
            .collect();
        let total: u64 = parts.iter().filter_map(|part| part["Duration"].as_u64()).sum();
        (answer["SubStatements"], answer["Duration"]) = (json!(parts), json!(total));
        answer["HasResultSet"] = json!(parts.iter().any(|part| part["HasResultSet"] == true));
    } else if let (Value::Object(answer), Value::Object(of_part)) =
        (&mut answer, of_part(&statement.parts[part.unwrap_or(0)]))
    {
        answer.extend(of_part.into_iter().filter(|(name, _)| part.is_some() || name != "Status"));
    }
    if let Some(error) = statement.error().filter(|_| part.is_none()) {
        answer["Error"] = json!(error);
    }
    Ok(answer)
}

fn of_part(part: &Part) -> Value {
    let sql = &part.sql;
    let part = part.lock();
    let nanos = match part.began {
        Some(began) if !part.status.is_over() => began.elapsed().as_nanos(),
        _ => part.nanos,
    };
    let outcome = part.outcome.as_ref();
    let has_rows = outcome.is_some_and(|outcome| outcome.columns.is_some());
    let rows = outcome.and_then(|outcome| if has_rows { Some(outcome.rows) } else { outcome.changed });
    let mut answer = json!({
        "Status": part.status.name(),
        "QueryString": sql,
        "Duration": u64::try_from(nanos).unwrap_or(u64::MAX),
        "HasResultSet": has_rows,
        "ResultRows": rows.map_or(-1, |rows| i64::try_from(rows).unwrap_or(i64::MAX)),
        "ResultSize": outcome.map_or(0, |outcome| outcome.bytes),
    });
    if let Some(error) = &part.error {
        answer["Error"] = json!(error);
    }
    answer
}

pub(super) fn cancel(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    let (statement, _) = aws.data_api.find(call.required("Id")?)?;
    if statement.stop() {
        return Ok(json!({ "Status": true }));
    }
    let (status, id) = (statement.status().name(), &statement.id);
    Err(Failure::invalid(format!("Could not cancel a query that is already in {status} state with ID: {id}")))
}

pub(super) fn list(aws: &Aws, call: &Call) -> Result<Value, Failure> {
    let wanted = call.text("Status").unwrap_or("ALL");
    let known = ["ALL", "SUBMITTED", "PICKED", "STARTED", "FINISHED", "FAILED", "ABORTED"];
    if !known.contains(&wanted) {
        return Err(Failure::invalid("Status is none of those that a statement can have."));
    }
    let most = call.number("MaxResults")?.unwrap_or(100);
    if most > 100 {
        return Err(Failure::invalid("MaxResults must be between 0 and 100."));
    }
    let from: usize = match call.text("NextToken") {
        None => 0,
        Some(token) => token.parse().map_err(|_| Failure::invalid("The token NextToken is not valid."))?,
    };
    let size = if most == 0 { 100 } else { usize::try_from(most).unwrap_or(100) };
    let state = aws.data_api.lock();
    let prefix = call.text("StatementName").unwrap_or_default();
    let fits = |statement: &&Arc<Statement>| {
        (wanted == "ALL" || statement.status().name() == wanted)
            && call.text("Database").is_none_or(|database| statement.database == database)
            && statement.name.as_deref().unwrap_or_default().starts_with(prefix)
    };
    // The token counts arrivals from the first, so that new ones do not shift the pages.
    let all = state.statements.len();
    let end = if from == 0 { all } else { from.min(all) };
    let mut found = Vec::new();
    let mut next = None;
    for at in (0..end).rev() {
        let statement = &state.statements[at];
        if !fits(&statement) {
            continue;
        }
        if found.len() == size {
            next = Some(at + 1);
            break;
        }
        found.push(entry(statement));
    }
    let mut answer = json!({ "Statements": found });
    if let Some(next) = next {
        answer["NextToken"] = json!(next.to_string());
    }
    Ok(answer)
}

fn entry(statement: &Statement) -> Value {
    let mut entry = json!({
        "Id": statement.id,
        "Status": statement.status().name(),
        "CreatedAt": epoch(statement.created),
        "UpdatedAt": epoch(statement.updated()),
        "IsBatchStatement": statement.is_batch,
        "ResultFormat": statement.format.name(),
    });
    if let Some(name) = &statement.name {
        entry["StatementName"] = json!(name);
    }
    if let Some(session) = &statement.session {
        entry["SessionId"] = json!(session);
    }
    if statement.is_batch {
        entry["QueryStrings"] = json!(statement.parts.iter().map(|part| &part.sql).collect::<Vec<_>>());
    } else {
        entry["QueryString"] = json!(statement.parts[0].sql);
    }
    entry
}
