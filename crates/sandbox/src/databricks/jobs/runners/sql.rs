//! SQL tasks: statement after statement on the sandbox's own engine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use datafusion::sql::sqlparser::tokenizer::Token;
use serde_json::json;

use crate::databricks::{
    engine::{Place, Request},
    error::SqlResult,
    jobs::{
        run::Output,
        state::{Ending, Outcome},
        work::Finished,
    },
    sql::{Parameter, Parameters, lex},
    statement::{Disposition, Entry, Format, Origin, Runner, Shape, State, Submission},
};

/// The most of a statement's result that is kept for whoever looks it up.
const KEPT: u64 = 16 << 20;
/// A statement that nobody asks about is ended, so this often we ask.
const ASK: Duration = Duration::from_secs(60);

/// Cuts a text into its statements, as the engine reads quotes and comments.
pub(super) fn statements(text: &str) -> SqlResult<Vec<String>> {
    let lexed = lex(text)?;
    let mut starts = vec![0];
    for (start, _) in text.match_indices('\n') {
        starts.push(start + 1);
    }
    let mut found = Vec::new();
    let (mut begin, mut full) = (0, false);
    for token in &lexed.tokens {
        if token.token != Token::SemiColon {
            full = true;
            continue;
        }
        let place = token.span.start;
        let line = starts.get((place.line as usize).saturating_sub(1)).copied().unwrap_or(text.len());
        // Columns count characters from 1.
        let before: usize =
            text[line..].chars().take((place.column as usize).saturating_sub(1)).map(char::len_utf8).sum();
        let end = line + before;
        if full {
            found.push(text[begin..end].trim().to_owned());
        }
        (begin, full) = (end + 1, false);
    }
    if full {
        found.push(text[begin..].trim().to_owned());
    }
    Ok(found)
}

/// A statement that is stopped when nobody waits for it any more.
struct Running(Arc<Entry>);

impl Drop for Running {
    fn drop(&mut self) {
        // What has ended stays as it is.
        self.0.cancel();
    }
}

/// Where and with what statements run.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) warehouse: &'a str,
    pub(super) place: Place,
    /// What the warehouse needs to start.
    pub(super) delay: Duration,
}

/// Runs a text of statements; the first that fails ends it.
pub(super) async fn run(runner: &Runner, text: &str, setting: Setting<'_>) -> Finished {
    let Setting { parameters, warehouse, place, mut delay } = setting;
    let failed = |error: String, output: Output| Finished {
        ending: Ending::new(Outcome::Failed, error.clone()),
        output: Output { error: Some(error), ..output },
    };
    let parameters: Vec<Parameter> = parameters
        .into_iter()
        .map(|(name, value)| Parameter { name: Some(name), value: Some(value), ..Parameter::default() })
        .collect();
    let cut = match statements(text) {
        Ok(cut) => cut,
        Err(error) => return failed(error.to_string(), Output::default()),
    };
    let place = Arc::new(Mutex::new(place));
    let mut ids = Vec::new();
    let mut failure = None;
    for sql in cut {
        let current = place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told = Arc::clone(&place);
        let entry = runner.submit(Submission {
            request: Request { sql, parameters: Parameters::new(parameters.clone()), place: current },
            shape: Shape {
                disposition: Disposition::Inline,
                format: Format::JsonArray,
                lz4: false,
                row_limit: None,
                byte_limit: Some(KEPT),
            },
            origin: Origin { warehouse_id: warehouse.to_owned(), ..Origin::default() },
            delay: std::mem::take(&mut delay),
            limit: None,
            on_use: Box::new(move |effect| told.lock().unwrap_or_else(PoisonError::into_inner).apply(effect)),
        });
        ids.push(json!({ "lookup_key": entry.id }));
        let running = Running(entry);
        let state = loop {
            let state = running.0.wait(ASK).await;
            if state.is_terminal() {
                break state;
            }
            let _ = runner.statements.find(&running.0.id);
        };
        failure = match state {
            State::Succeeded(_) => continue,
            State::Failed(error) => Some(error.message().trim().to_owned()),
            other => Some(format!("The statement is {}.", other.name())),
        };
        break;
    }
    let output = Output {
        sql: Some(json!({
            "query_output": {
                "query_text": text,
                "warehouse_id": warehouse,
                "endpoint_id": warehouse,
                "sql_statements": ids,
            },
        })),
        ..Output::default()
    };
    match failure {
        Some(error) => failed(error, output),
        None => Finished { ending: Ending::success(), output },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_semicolon_between_statements_separates_them() {
        let text =
            "-- a; b\nSELECT 'x;y', \"z;\" /* ; */;;\n  INSERT INTO `a;b` VALUES ('é;') ;\nSELECT r'\\;'\n;-- end;\n";
        assert_eq!(
            statements(text).unwrap(),
            ["-- a; b\nSELECT 'x;y', \"z;\" /* ; */", "INSERT INTO `a;b` VALUES ('é;')", "SELECT r'\\;'",]
        );
        assert!(statements("-- nothing\n;;").unwrap().is_empty());
        assert!(statements("SELECT 'open").is_err());
    }
}
