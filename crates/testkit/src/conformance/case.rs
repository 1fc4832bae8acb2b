//! One case, and how it is run.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, Location, resume_unwind},
    time::{Duration, Instant},
};

use arrow::error::ArrowError;
use futures::{FutureExt as _, future::BoxFuture};
use twinhouse_core::{Error, Report};

use super::{context::Context, fixture::Fixture, list::CASES, need::Need};

/// A case that takes longer hangs.
const CASE_LIMIT: Duration = Duration::from_secs(900);

/// What a case answers; what it checks, it asserts.
pub type CaseResult = Result<(), Failure>;

/// One thing that every warehouse must do.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// The part of the contract it is about.
    pub theme: &'static str,
    /// What it claims.
    pub name: &'static str,
    /// What the warehouse must promise for it.
    pub needs: &'static [Need],
    run: Run,
}

pub(super) type Run = for<'a> fn(&'a Context<'a>) -> BoxFuture<'a, CaseResult>;

impl Case {
    pub(super) const fn new(theme: &'static str, name: &'static str, needs: &'static [Need], run: Run) -> Self {
        Self { theme, name, needs, run }
    }

    /// Runs the case, or checks that what it needs is refused. Its tables are dropped in any event.
    ///
    /// # Errors
    ///
    /// An error of the warehouse that the case did not ask for.
    ///
    /// # Panics
    ///
    /// If what the case claims does not hold.
    pub async fn check(&self, fixture: &dyn Fixture) -> Result<Outcome, Failure> {
        let cx = Context::new(fixture).await?;
        let can = cx.can();
        let unmet = self.needs.iter().find(|need| !need.is_met(&can));
        let work: BoxFuture<'_, CaseResult> = match unmet {
            Some(need) => Box::pin(need.check_refused(&cx)),
            None => (self.run)(&cx),
        };
        let verdict = AssertUnwindSafe(within_limit(work)).catch_unwind().await;
        let cleaned = AssertUnwindSafe(cx.clean_up()).catch_unwind().await;
        // What the case found comes first: it may be why there was trouble in cleaning up.
        verdict.unwrap_or_else(|panic| resume_unwind(panic))?;
        cleaned.unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok(if unmet.is_some() { Outcome::Refused } else { Outcome::Passed })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("theme", &self.theme)
            .field("name", &self.name)
            .field("needs", &self.needs)
            .finish()
    }
}

async fn within_limit(work: impl Future<Output = CaseResult>) -> CaseResult {
    match tokio::time::timeout(CASE_LIMIT, work).await {
        Ok(verdict) => verdict,
        Err(_) => panic!("the case did not end within {CASE_LIMIT:?}"),
    }
}

/// How a case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// What it claims holds.
    Passed,
    /// What it needs is not promised, and was refused as it must be.
    Refused,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Refused => "refused by capability",
        })
    }
}

/// An error that a case did not ask for, and where in the suite it surfaced.
pub struct Failure {
    message: String,
    at: &'static Location<'static>,
}

impl From<Error> for Failure {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self { message: format!("{}: {}", error.kind(), Report(&error)), at: Location::caller() }
    }
}

impl From<ArrowError> for Failure {
    #[track_caller]
    fn from(error: ArrowError) -> Self {
        Self { message: error.to_string(), at: Location::caller() }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {})", self.message, self.at)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Runs one case by its name, on a runtime of its own, and prints how it went.
///
/// # Panics
///
/// If it fails, or if there is no such case.
#[track_caller]
pub fn run(fixture: &dyn Fixture, theme: &str, name: &str) {
    let case = CASES.iter().find(|case| case.theme == theme && case.name == name);
    let Some(case) = case else { panic!("there is no case {theme}::{name}") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    let began = Instant::now();
    match runtime.block_on(case.check(fixture)) {
        Ok(outcome) => {
            println!("conformance {} {theme}::{name} {outcome} ({} ms)", fixture.name(), began.elapsed().as_millis());
        }
        Err(failure) => panic!("{} {theme}::{name}: {failure}", fixture.name()),
    }
}

#[track_caller]
pub(super) fn assert_rows(got: &[Vec<super::cell::Cell>], want: &[Vec<super::cell::Cell>]) {
    let differs = (0..got.len().max(want.len())).find(|&row| got.get(row) != want.get(row));
    if let Some(row) = differs {
        panic!(
            "row {row} differs ({} rows wanted, {} got)\n wanted {:?}\n    got {:?}",
            want.len(),
            got.len(),
            want.get(row),
            got.get(row)
        );
    }
}

/// The error of something that must fail.
#[track_caller]
pub(super) fn refused<T>(outcome: twinhouse_core::Result<T>) -> Error {
    match outcome {
        Err(error) => error,
        Ok(_) => panic!("this must not succeed"),
    }
}
