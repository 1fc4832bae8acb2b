//! Which task runs next, and what comes of it all: rules without state.

use std::collections::HashMap;

use super::{
    spec::Task,
    state::{Ending, Outcome},
};

/// What is known of a task that is over.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    /// Of a condition.
    pub(super) condition: Option<bool>,
    pub(super) message: String,
}

/// What shall become of a task whose dependencies are over.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Not yet.
    Wait,
    Run,
    Skip(Ending),
}

/// Judges a task by what it depends on.
pub(super) fn judge(task: &Task, done: &HashMap<String, Done>) -> Verdict {
    let mut before = Vec::new();
    for dependency in &task.depends_on {
        let Some(found) = done.get(&dependency.task_key) else { return Verdict::Wait };
        let outcome = match (&dependency.outcome, found.condition) {
            // The other branch of a condition.
            (Some(wanted), Some(was)) if found.outcome.is_success() && *wanted != was.to_string() => Outcome::Excluded,
            // As if it were not there.
            _ if found.outcome == Outcome::Disabled => Outcome::Success,
            _ => found.outcome,
        };
        before.push(outcome);
    }
    if task.disabled {
        return Verdict::Skip(Ending::new(Outcome::Disabled, "The task is disabled."));
    }
    if before.is_empty() {
        return Verdict::Run;
    }
    let any = |test: fn(Outcome) -> bool| before.iter().any(|outcome| test(*outcome));
    let all = |test: fn(Outcome) -> bool| before.iter().all(|outcome| test(*outcome));
    let excluded = |outcome: Outcome| outcome == Outcome::Excluded;
    let broken = || {
        if any(Outcome::is_failure) {
            Verdict::Skip(Ending::new(Outcome::UpstreamFailed, "An upstream task failed."))
        } else if any(Outcome::is_canceled) {
            Verdict::Skip(Ending::new(Outcome::UpstreamCanceled, "An upstream task was canceled."))
        } else {
            Verdict::Skip(Ending::new(Outcome::Excluded, "The condition of the task was not met."))
        }
    };
    let run = match task.run_if.as_deref().unwrap_or("ALL_SUCCESS") {
        "AT_LEAST_ONE_SUCCESS" => any(Outcome::is_success),
        "NONE_FAILED" => !any(Outcome::is_failure) && !any(Outcome::is_canceled) && !all(excluded),
        "ALL_DONE" => true,
        "AT_LEAST_ONE_FAILED" | "ALL_FAILED" => {
            let met = if task.run_if.as_deref() == Some("ALL_FAILED") {
                all(Outcome::is_failure)
            } else {
                any(Outcome::is_failure)
            };
            if !met {
                let text = "The condition of the task was not met.";
                return Verdict::Skip(Ending::new(Outcome::Excluded, text));
            }
            true
        }
        _ => all(Outcome::is_success),
    };
    if run { Verdict::Run } else { broken() }
}

/// What comes of the run: its leaves decide.
pub(super) fn conclude(tasks: &[Task], done: &HashMap<String, Done>) -> Ending {
    let is_leaf = |key: &str| !tasks.iter().any(|task| task.depends_on.iter().any(|before| before.task_key == key));
    let found = |task: &Task| done.get(&task.task_key);
    let leaves: Vec<&Done> = tasks.iter().filter(|task| is_leaf(&task.task_key)).filter_map(found).collect();
    let all: Vec<(&Task, &Done)> = tasks.iter().filter_map(|task| Some((task, found(task)?))).collect();
    let failed = |outcome: Outcome| {
        matches!(outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Broken | Outcome::MaximumReached)
    };
    let first = all.iter().find(|(_, done)| failed(done.outcome));
    if leaves.iter().any(|done| done.outcome.is_failure()) {
        let (key, message) = first.map_or(("", ""), |(task, done)| (task.task_key.as_str(), done.message.as_str()));
        let mut text = format!("Task {key} failed with message: {message}.").replace("..", ".");
        if all.iter().any(|(_, done)| done.outcome == Outcome::UpstreamFailed) || !is_leaf(key) {
            text.push_str(" This caused all downstream tasks to get skipped.");
        }
        return Ending::new(Outcome::Failed, text);
    }
    if leaves.iter().any(|done| done.outcome.is_canceled()) {
        return Ending::new(Outcome::Canceled, "Run cancelled.");
    }
    if first.is_some() {
        return Ending::new(Outcome::SuccessWithFailures, "");
    }
    Ending::success()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(key: &str, after: &[&str], run_if: &str) -> Task {
        let after: Vec<_> = after.iter().map(|key| json!({ "task_key": key })).collect();
        Task::of(&json!({ "task_key": key, "depends_on": after, "run_if": run_if })).unwrap()
    }

    fn done(outcomes: &[(&str, Outcome)]) -> HashMap<String, Done> {
        let done = |outcome| Done { outcome, condition: None, message: "it broke".to_owned() };
        outcomes.iter().map(|(key, outcome)| ((*key).to_owned(), done(*outcome))).collect()
    }

    #[test]
    fn each_rule_judges_by_what_came_before() {
        use Outcome::{Canceled, Excluded, Failed, Success, UpstreamFailed};
        let verdict = |rule: &str, a, b| match judge(&task("t", &["a", "b"], rule), &done(&[("a", a), ("b", b)])) {
            Verdict::Run => None,
            Verdict::Skip(ending) => Some(ending.outcome),
            Verdict::Wait => panic!("{rule}"),
        };
        let rows = [
            ("ALL_SUCCESS", Success, Success, None),
            ("ALL_SUCCESS", Success, Failed, Some(UpstreamFailed)),
            ("ALL_SUCCESS", Success, Canceled, Some(Outcome::UpstreamCanceled)),
            ("ALL_SUCCESS", Success, Excluded, Some(Excluded)),
            ("AT_LEAST_ONE_SUCCESS", Success, Failed, None),
            ("AT_LEAST_ONE_SUCCESS", Failed, Failed, Some(UpstreamFailed)),
            ("NONE_FAILED", Success, Excluded, None),
            ("NONE_FAILED", Excluded, Excluded, Some(Excluded)),
            ("NONE_FAILED", Success, Failed, Some(UpstreamFailed)),
            ("ALL_DONE", Failed, Canceled, None),
            ("AT_LEAST_ONE_FAILED", Success, Failed, None),
            ("AT_LEAST_ONE_FAILED", Success, Success, Some(Excluded)),
            ("ALL_FAILED", Failed, UpstreamFailed, None),
            ("ALL_FAILED", Success, Failed, Some(Excluded)),
        ];
        for (rule, a, b, expected) in rows {
            assert_eq!(verdict(rule, a, b), expected, "{rule} {a:?} {b:?}");
        }
        assert_eq!(judge(&task("t", &["a"], "ALL_DONE"), &done(&[])), Verdict::Wait);
    }

    #[test]
    fn the_leaves_decide() {
        use Outcome::{Excluded, Failed, Success, SuccessWithFailures, UpstreamFailed};
        let tasks = [task("a", &[], ""), task("b", &["a"], ""), task("c", &["a"], "ALL_DONE")];
        let conclude = |a, b, c| conclude(&tasks, &done(&[("a", a), ("b", b), ("c", c)]));
        assert_eq!(conclude(Success, Success, Success), Ending::success());
        assert_eq!(conclude(Success, Excluded, Success).outcome, Success);
        let failed = conclude(Failed, UpstreamFailed, Success);
        assert_eq!(failed.outcome, Failed);
        assert_eq!(
            failed.message,
            "Task a failed with message: it broke. This caused all downstream tasks to get skipped."
        );
        let single = [task("c", &["a"], "ALL_DONE"), task("a", &[], "")];
        assert_eq!(super::conclude(&single, &done(&[("a", Failed), ("c", Success)])).outcome, SuccessWithFailures);
    }
}
