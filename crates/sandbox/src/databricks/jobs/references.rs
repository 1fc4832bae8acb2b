//! `{{job.parameters.x}}`, `{{tasks.k.values.x}}`, `{{input}}`: references in the parameters of tasks.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{run::Run, spec::plain};

/// What references of one task mean.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) run: &'a Run,
    pub(super) task_key: &'a str,
    pub(super) task_run: u64,
    pub(super) attempt: u32,
    /// The element of a for-each task.
    pub(super) input: Option<&'a Value>,
    pub(super) workspace_url: &'a str,
    pub(super) workspace_id: &'a str,
}

impl Scope<'_> {
    /// The text with every reference replaced.
    pub(super) fn resolve(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find("{{") {
            let Some(end) = rest[begin..].find("}}") else { break };
            let name = rest[begin + 2..begin + end].trim();
            out.push_str(&rest[..begin]);
            match self.value(name)? {
                Some(value) => out.push_str(&value),
                // Not one of ours: a template of somebody else.
                None => out.push_str(&rest[begin..begin + end + 2]),
            }
            rest = &rest[begin + end + 2..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// The same within a JSON value.
    pub(super) fn resolve_all(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.resolve(text)?),
            Value::Array(items) => items.iter().map(|item| self.resolve_all(item)).collect::<Result<_, _>>()?,
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, field)| Ok((name.clone(), self.resolve_all(field)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => other.clone(),
        })
    }

    fn value(&self, name: &str) -> Result<Option<String>, String> {
        let run = self.run;
        let unknown = || Err(format!("The reference {{{{{name}}}}} does not name anything."));
        let mut parts = name.splitn(2, '.');
        let value = match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
            ("input", path) => {
                let Some(mut input) = self.input else { return unknown() };
                for part in path.split('.').filter(|part| !part.is_empty()) {
                    match input.get(part) {
                        Some(field) => input = field,
                        None => return unknown(),
                    }
                }
                plain(input)
            }
            ("job", "id") => run.job_id.to_string(),
            ("job", "run_id") => run.id.to_string(),
            ("job", "name") => run.name.clone(),
            ("job", "repair_count") => run.repairs.len().to_string(),
            ("job", "trigger.type") => run.trigger.to_lowercase(),
            ("job", path) => {
                if let Some(parameter) = path.strip_prefix("parameters.") {
                    match run.parameters.get(parameter) {
                        Some(parameter) => parameter.text().to_owned(),
                        None => return unknown(),
                    }
                } else if let Some(part) = path.strip_prefix("start_time.") {
                    match time(run.start_time, part) {
                        Some(text) => text,
                        None => return unknown(),
                    }
                } else {
                    return unknown();
                }
            }
            ("task", "name") => self.task_key.to_owned(),
            ("task", "run_id") => self.task_run.to_string(),
            ("task", "execution_count") => (self.attempt + 1).to_string(),
            ("tasks", path) => match self.of_task(path) {
                Some(value) => value,
                None => return unknown(),
            },
            ("workspace", "id") => self.workspace_id.to_owned(),
            ("workspace", "url") => self.workspace_url.to_owned(),
            ("task" | "workspace", _) => return unknown(),
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    fn of_task(&self, path: &str) -> Option<String> {
        let (key, path) = path.split_once('.')?;
        let task = self.run.latest(key)?;
        match path {
            "run_id" => Some(task.id.to_string()),
            "result_state" => Some(task.phase.ending()?.outcome.name().to_lowercase()),
            "outcome" => task.output.condition.map(|outcome| outcome.to_string()),
            _ => task.output.values.get(path.strip_prefix("values.")?).map(plain),
        }
    }
}

fn time(ms: u64, part: &str) -> Option<String> {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    Some(match part {
        "timestamp_ms" => ms.to_string(),
        "iso_date" => time.format("%Y-%m-%d").to_string(),
        "iso_datetime" => time.format("%Y-%m-%dT%H:%M:%S").to_string(),
        "year" => time.format("%Y").to_string(),
        "month" => time.format("%-m").to_string(),
        "day" => time.format("%-d").to_string(),
        "hour" => time.format("%-H").to_string(),
        "minute" => time.format("%-M").to_string(),
        "second" => time.format("%-S").to_string(),
        _ => return None,
    })
}
