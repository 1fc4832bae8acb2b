//! What is answered to what: the script of a server, and of a transport.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::http::{Answer, Received};

/// The status of the answer to a request that no line of the script foresees.
const UNFORESEEN: u16 = 501;

#[derive(Default)]
pub(crate) struct Script(Mutex<Inner>);

type Otherwise = Box<dyn FnMut(&Received) -> Option<Answer> + Send>;

#[derive(Default)]
struct Inner {
    lines: Vec<Line>,
    otherwise: Option<Otherwise>,
    requests: Vec<Received>,
    unforeseen: Vec<String>,
}

struct Line {
    method: String,
    path: String,
    answer: Answer,
    /// None: it is never spent.
    left: Option<u32>,
}

impl Script {
    pub(crate) fn add(&self, method: &str, path: &str, answer: Answer, left: Option<u32>) {
        let line = Line { method: method.to_owned(), path: path.to_owned(), answer, left };
        self.lock().lines.push(line);
    }

    pub(crate) fn otherwise(&self, answer: impl FnMut(&Received) -> Option<Answer> + Send + 'static) {
        self.lock().otherwise = Some(Box::new(answer));
    }

    /// Everything that was asked, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.lock().requests.clone()
    }

    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        self.lock().requests.iter().filter(|request| is(request, method, path)).count()
    }

    /// A request that the script does not see, only the list of what was asked.
    #[cfg(feature = "transport")]
    pub(crate) fn note(&self, request: Received) {
        self.lock().requests.push(request);
    }

    #[track_caller]
    pub(crate) fn verify(&self) {
        let script = self.lock();
        let left = script.lines.iter().filter(|line| line.left.is_some_and(|left| left > 0));
        let missing: Vec<_> = left.map(|line| format!("{} {}", line.method, line.path)).collect();
        assert!(
            missing.is_empty() && script.unforeseen.is_empty(),
            "never asked: {missing:?}; asked without being foreseen: {:?}",
            script.unforeseen
        );
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the script says to this request.
    pub(crate) fn answer(&self, request: Received) -> Answer {
        let mut inner = self.lock();
        let line = inner.lines.iter_mut().find(|line| line.left != Some(0) && is(&request, &line.method, &line.path));
        let answer = line.map(|line| {
            line.left = line.left.map(|left| left - 1);
            line.answer.clone()
        });
        let answer = answer.or_else(|| inner.otherwise.as_mut()?(&request));
        let answer = answer.unwrap_or_else(|| {
            let request = format!("{} {}", request.method, request.path());
            inner.unforeseen.push(request.clone());
            Answer::ok(format!("the script has no line for {request}")).with_status(UNFORESEEN)
        });
        inner.requests.push(request);
        answer
    }
}

fn is(request: &Received, method: &str, path: &str) -> bool {
    request.method.eq_ignore_ascii_case(method) && request.path() == path
}
