//! What can be known to be wrong with a streaming job before it runs.

use std::collections::HashSet;

use twinhouse_core::Result;

use super::{
    OutputMode, Step, StreamSink, StreamSource, StreamingJobSpec, Table, Trigger, source::check_path, sql::aggregates,
};
use crate::jobs::check::{at_most_bytes, invalid, not_empty};

/// The workspace takes 10 MB; nobody writes a notebook of one.
const LARGEST_NOTEBOOK: usize = 1 << 20;
const LONGEST_NAME: usize = 100;

pub(super) fn spec(spec: &StreamingJobSpec, said: Option<bool>) -> Result<()> {
    not_empty("name", &spec.name)?;
    at_most_bytes("name", &spec.name, LONGEST_NAME)?;
    spec.source.check()?;
    spec.sink.check()?;
    steps(&spec.steps)?;
    checkpoint(spec)?;
    let first = spec.steps.iter().position(|step| matches!(step, Step::Sql { sql, .. } if aggregates(sql)));
    let first = match said {
        Some(false) => None,
        // Somewhere; what has a watermark before its last query has it before the aggregation.
        Some(true) => first.or(Some(spec.steps.len())),
        None => first,
    };
    mode(spec, first)?;
    trigger(spec, first.is_some())?;
    let has_transformation = spec.steps.iter().any(|step| matches!(step, Step::Sql { .. }));
    spec.sink.check_rows(has_transformation, matches!(spec.source, StreamSource::Kafka(_)))?;
    if spec.notebook().len() > LARGEST_NOTEBOOK {
        return Err(invalid("steps", "must be smaller: the notebook would have more than 1 MiB"));
    }
    Ok(())
}

fn steps(steps: &[Step]) -> Result<()> {
    let mut names = HashSet::from(["source".to_owned()]);
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Sql { name, sql } => {
                let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
                if !name.starts_with(begins) || !name.chars().all(legal) || name.len() > LONGEST_NAME {
                    return Err(invalid(
                        format!("steps[{at}].name"),
                        "must have letters, digits and `_`, and not begin with a digit",
                    ));
                }
                // Views are found whatever the case.
                if !names.insert(name.to_lowercase()) {
                    return Err(invalid(format!("steps[{at}].name"), &format!("must be unique; `{name}` is taken")));
                }
                not_empty(format!("steps[{at}].sql"), sql)?;
            }
            Step::Watermark { column, delay } => {
                not_empty(format!("steps[{at}].column"), column)?;
                if !delay.subsec_nanos().is_multiple_of(1_000_000) {
                    return Err(invalid(format!("steps[{at}].delay"), "must be whole milliseconds"));
                }
            }
        }
    }
    Ok(())
}

fn checkpoint(spec: &StreamingJobSpec) -> Result<()> {
    let place = |path: &str| path.trim_end_matches('/').to_owned();
    check_path("checkpoint".into(), &spec.checkpoint)?;
    let here = place(&spec.checkpoint);
    if here.is_empty() {
        return Err(invalid("checkpoint", "must be a directory of its own"));
    }
    let mut taken = Vec::new();
    match &spec.source {
        StreamSource::Delta(delta) => taken.extend(path_of(&delta.table)),
        StreamSource::AutoLoader(files) => taken.push(files.path.as_str()),
        _ => {}
    }
    if let StreamSink::Delta(delta) = &spec.sink {
        taken.extend(path_of(&delta.table));
    }
    // Below a table is where Delta itself looks past names with an underscore; at the table, or above it, is nowhere.
    if taken.iter().any(|path| place(path) == here || place(path).starts_with(&format!("{here}/"))) {
        return Err(invalid("checkpoint", "must be a directory of its own, not one with data in it"));
    }
    Ok(())
}

fn path_of(table: &Table) -> Option<&str> {
    match table {
        Table::Path(path) => Some(path),
        Table::Name(_) => None,
    }
}

/// `aggregated` is the step that aggregates first.
fn mode(spec: &StreamingJobSpec, aggregated: Option<usize>) -> Result<()> {
    match (&spec.output_mode, aggregated) {
        (OutputMode::Other(mode), _) => {
            Err(invalid("output_mode", &format!("must be `append`, `complete` or `update`, not `{mode}`")))
        }
        (OutputMode::Update, _) if matches!(spec.sink, StreamSink::Delta(_)) => {
            Err(invalid("output_mode", "must not be `update` for Delta, which takes `append` and `complete`"))
        }
        (OutputMode::Complete, None) => Err(invalid("output_mode", "must not be `complete` without an aggregation")),
        (OutputMode::Append, Some(step)) => {
            let before = &spec.steps[..step.min(spec.steps.len())];
            if before.iter().any(|step| matches!(step, Step::Watermark { .. })) {
                return Ok(());
            }
            Err(invalid(
                "steps",
                "must have a `watermark` before the aggregation: in output mode `append` a group is written once it is \
                 complete, and without one it never is",
            ))
        }
        _ => Ok(()),
    }
}

fn trigger(spec: &StreamingJobSpec, aggregated: bool) -> Result<()> {
    let whole = |time: std::time::Duration| time.subsec_nanos().is_multiple_of(1_000_000);
    match spec.trigger {
        Trigger::Interval(time) if !whole(time) => Err(invalid("trigger", "must be whole milliseconds")),
        Trigger::Continuous(time) => {
            let refuse = |why: &str| Err(invalid("trigger", why));
            if time.is_zero() || !whole(time) {
                return refuse("must be whole milliseconds, and not zero, to be continuous");
            }
            if !matches!(spec.source, StreamSource::Kafka(_) | StreamSource::Rate(_)) {
                return refuse("must not be continuous for this source: Kafka and `rate` can be read so");
            }
            if !matches!(spec.sink, StreamSink::Kafka(_)) {
                return refuse("must not be continuous for this sink: Kafka can be written so");
            }
            if aggregated {
                return refuse("must not be continuous with an aggregation");
            }
            if spec.steps.iter().any(|step| matches!(step, Step::Watermark { .. })) {
                return refuse("must not be continuous with a watermark");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What a job is called that has no name: after where it goes.
pub(super) fn name_of(sink: &StreamSink) -> String {
    let name = match sink {
        StreamSink::Delta(delta) => match &delta.table {
            Table::Name(name) | Table::Path(name) => name.as_str(),
        },
        StreamSink::Kafka(kafka) => kafka.topic.as_deref().unwrap_or("kafka"),
        StreamSink::Other(format) => format,
    };
    let end = name.char_indices().map(|(at, _)| at).chain([name.len()]).take_while(|at| *at <= LONGEST_NAME).last();
    name[..end.unwrap_or(0)].to_owned()
}
