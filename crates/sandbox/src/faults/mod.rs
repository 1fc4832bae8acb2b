//! Faults on schedule: the n-th matching call fails, in the service's own way.

mod answers;
mod body;
mod http;
mod rule;
mod schedule;
mod socket;
mod struck;

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use twinhouse_core::Result;

pub(crate) use self::{
    http::{serve, serve_tls},
    rule::Call,
    socket::{FaultyStream, Switch},
    struck::struck,
};
pub use self::{
    rule::{FaultKind, FaultRule, Front, When},
    schedule::FaultSchedule,
};

/// The schedule of faults of one sandbox. Clones share it.
///
/// Each call is shown to the rules in the order in which they were scheduled. A call that one rule fails is not
/// counted by those after it, so that every rule strikes as often as it says. Equal calls in an equal order meet
/// equal faults.
#[derive(Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Rules that may still strike: the only thing a call looks at while nothing is scheduled.
    armed: AtomicUsize,
    rules: Mutex<Vec<Scheduled>>,
    /// Digests of the tokens that a fault has revoked, and how many there are.
    revoked: Mutex<HashSet<[u8; 32]>>,
    revoked_count: AtomicUsize,
}

/// What a rule has done so far.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaultReport {
    /// The rule.
    pub rule: FaultRule,
    /// How many matching calls it saw while it was armed.
    pub seen: u64,
    /// How often it struck.
    pub fired: u64,
    /// True until it has struck as often as it shall, or was cancelled.
    pub armed: bool,
}

struct Scheduled {
    rule: FaultRule,
    seen: u64,
    fired: u64,
    cancelled: bool,
}

impl Scheduled {
    fn is_armed(&self) -> bool {
        !self.cancelled && !self.rule.is_spent(self.seen)
    }
}

/// A rule in the schedule; ask it how often it struck.
#[derive(Clone)]
pub struct ScheduledFault {
    faults: Faults,
    index: usize,
}

impl Faults {
    /// Adds a rule.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](twinhouse_core::ErrorKind::Unsupported) if the front cannot fail in this way or has nothing
    /// to filter by; [`Config`](twinhouse_core::ErrorKind::Config) if the call number is 0.
    pub fn schedule(&self, rule: FaultRule) -> Result<ScheduledFault> {
        rule.check()?;
        let mut rules = self.rules();
        rules.push(Scheduled { rule, seen: 0, fired: 0, cancelled: false });
        self.count_armed(&rules);
        Ok(ScheduledFault { faults: self.clone(), index: rules.len() - 1 })
    }

    /// Adds all rules of a schedule, in their order.
    ///
    /// # Errors
    ///
    /// As [`schedule`](Self::schedule); then none of them is added.
    pub fn load(&self, schedule: &FaultSchedule) -> Result<Vec<ScheduledFault>> {
        schedule.rules().iter().try_for_each(FaultRule::check)?;
        schedule.rules().iter().map(|rule| self.schedule(rule.clone())).collect()
    }

    /// Stops every rule, and revoked tokens hold again. The rules' counts can still be read.
    pub fn clear(&self) {
        let mut rules = self.rules();
        rules.iter_mut().for_each(|scheduled| scheduled.cancelled = true);
        self.count_armed(&rules);
        drop(rules);
        let mut revoked = self.revoked();
        revoked.clear();
        self.0.revoked_count.store(0, Ordering::Release);
    }

    /// Every rule that was scheduled, oldest first, and what it has done.
    pub fn report(&self) -> Vec<FaultReport> {
        let report = |scheduled: &Scheduled| FaultReport {
            rule: scheduled.rule.clone(),
            seen: scheduled.seen,
            fired: scheduled.fired,
            armed: scheduled.is_armed(),
        };
        self.rules().iter().map(report).collect()
    }

    /// From now on this token is refused.
    fn revoke(&self, token: &[u8]) {
        let mut revoked = self.revoked();
        revoked.insert(Sha256::digest(token).into());
        self.0.revoked_count.store(revoked.len(), Ordering::Release);
    }

    fn is_revoked(&self, token: &[u8]) -> bool {
        let digest: [u8; 32] = match self.0.revoked_count.load(Ordering::Acquire) {
            0 => return false,
            _ => Sha256::digest(token).into(),
        };
        self.revoked().contains(&digest)
    }

    fn revoked(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.0.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many faults have struck this front since the sandbox started.
    pub fn fired(&self, front: Front) -> u64 {
        self.rules().iter().filter(|scheduled| scheduled.rule.front == front).map(|scheduled| scheduled.fired).sum()
    }

    /// The fault that this call shall meet. The call is counted: ask once for each.
    pub(crate) fn next(&self, call: &Call<'_>) -> Option<FaultKind> {
        if self.0.armed.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut rules = self.rules();
        let mut struck = None;
        for scheduled in rules.iter_mut().filter(|scheduled| scheduled.is_armed()) {
            if !scheduled.rule.matches(call) {
                continue;
            }
            scheduled.seen += 1;
            if scheduled.rule.strikes(scheduled.seen) {
                scheduled.fired += 1;
                struck = Some(scheduled.rule.kind);
                break;
            }
        }
        self.count_armed(&rules);
        struck
    }

    /// True if a rule for this front looks at what bodies say: only then are they worth reading early.
    pub(crate) fn reads_bodies(&self, front: Front) -> bool {
        self.0.armed.load(Ordering::Acquire) != 0
            && self
                .rules()
                .iter()
                .any(|scheduled| scheduled.is_armed() && scheduled.rule.front == front && scheduled.rule.reads_bodies())
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Scheduled>> {
        self.0.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_armed(&self, rules: &[Scheduled]) {
        self.0.armed.store(rules.iter().filter(|scheduled| scheduled.is_armed()).count(), Ordering::Release);
    }
}

impl ScheduledFault {
    /// How often it struck.
    pub fn fired(&self) -> u64 {
        self.faults.rules()[self.index].fired
    }

    /// How many matching calls it saw while it was armed.
    pub fn seen(&self) -> u64 {
        self.faults.rules()[self.index].seen
    }

    /// True until it has struck as often as it shall, or was cancelled.
    pub fn is_armed(&self) -> bool {
        self.faults.rules()[self.index].is_armed()
    }

    /// Takes it off the schedule. Its counts can still be read.
    pub fn cancel(&self) {
        let mut rules = self.faults.rules();
        rules[self.index].cancelled = true;
        self.faults.count_armed(&rules);
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("armed", &self.0.armed.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScheduledFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.faults.rules();
        let scheduled = &rules[self.index];
        f.debug_struct("ScheduledFault")
            .field("rule", &scheduled.rule)
            .field("seen", &scheduled.seen)
            .field("fired", &scheduled.fired)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use twinhouse_core::ErrorKind;

    use super::*;

    fn post<'a>(path: &'a str, sql: &'a str) -> Call<'a> {
        Call { front: Front::Databricks, method: "POST", path, sql: Some(sql) }
    }

    const THROTTLED: FaultKind = FaultKind::Throttled { retry_after: None };

    #[test]
    fn a_rule_strikes_at_its_calls_and_at_no_other() {
        let faults = Faults::default();
        let rule = FaultRule::databricks(THROTTLED).with_method("post").with_sql("INSERT").on_call(2).times(2);
        let scheduled = faults.schedule(rule).unwrap();
        let insert = post("/api/2.0/sql/statements", "INSERT INTO t VALUES (1)");
        let select = post("/api/2.0/sql/statements", "SELECT 1");
        let met: Vec<_> = (0..6).map(|_| (faults.next(&select), faults.next(&insert))).collect();
        assert!(met.iter().all(|(select, _)| select.is_none()));
        let struck: Vec<_> = met.iter().map(|(_, insert)| insert.is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false, false]);
        assert_eq!((scheduled.seen(), scheduled.fired(), scheduled.is_armed()), (3, 2, false));
        assert_eq!(faults.fired(Front::Databricks), 2);
    }

    #[test]
    fn each_of_several_matching_rules_strikes_as_often_as_it_says() {
        let faults = Faults::default();
        faults.schedule(FaultRule::databricks(THROTTLED)).unwrap();
        faults.schedule(FaultRule::databricks(FaultKind::Truncated)).unwrap();
        let call = post("/", "SELECT 1");
        assert_eq!(faults.next(&call), Some(THROTTLED));
        assert_eq!(faults.next(&call), Some(FaultKind::Truncated));
        assert_eq!(faults.next(&call), None);
    }

    #[test]
    fn filters_are_conjunctive_and_fronts_do_not_mix() {
        let faults = Faults::default();
        let rule = FaultRule::databricks(FaultKind::ExpiredLink).with_method("GET").with_path("/1").always();
        let scheduled = faults.schedule(rule).unwrap();
        let get = |front, path| Call { front, method: "GET", path, sql: None };
        assert_eq!(faults.next(&get(Front::S3, "/links/1")), None);
        assert_eq!(faults.next(&get(Front::Databricks, "/api/1")), None);
        assert_eq!(faults.next(&post("/links/1", "")), None);
        for _ in 0..100 {
            assert!(faults.next(&get(Front::Databricks, "/links/1")).is_some());
        }
        scheduled.cancel();
        assert_eq!(faults.next(&get(Front::Databricks, "/links/1")), None);
        assert_eq!(scheduled.fired(), 100);
    }

    #[test]
    fn parallel_calls_meet_exactly_the_scheduled_number_of_faults() {
        let faults = Faults::default();
        let scheduled = faults.schedule(FaultRule::redshift(FaultKind::KillBackend).on_call(10).times(7)).unwrap();
        let struck: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (0..100).filter(|_| faults.next(&Call::statement("SELECT 1")).is_some()).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((struck, scheduled.fired()), (7, 7));
    }

    #[test]
    fn what_a_front_cannot_do_is_refused_by_name() {
        let faults = Faults::default();
        for rule in [
            FaultRule::redshift(THROTTLED),
            FaultRule::databricks(FaultKind::SerializationConflict),
            FaultRule::s3(FaultKind::KillBackend),
            FaultRule::redshift(FaultKind::DropIdle).with_path("/"),
            FaultRule::s3(FaultKind::Slow { pause: Duration::ZERO }).with_sql("SELECT"),
        ] {
            assert_eq!(faults.schedule(rule).unwrap_err().kind(), ErrorKind::Unsupported);
        }
        let zeroth = FaultRule::databricks(THROTTLED).on_call(0);
        assert_eq!(faults.schedule(zeroth).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn what_is_left_to_chance_falls_the_same_way_every_time() {
        let struck = |seed| {
            let faults = Faults::default();
            faults.schedule(FaultRule::databricks(THROTTLED).always().with_chance(0.3, seed)).unwrap();
            (0..1_000).map(|_| faults.next(&post("/", "")).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(struck(7), struck(7));
        assert_ne!(struck(7), struck(8));
        let share = struck(7).iter().filter(|struck| **struck).count();
        assert!((230..370).contains(&share), "{share} of 1000");
    }

    #[test]
    fn a_schedule_is_taken_whole_or_not_at_all() {
        let faults = Faults::default();
        let good = FaultRule::databricks(THROTTLED);
        let bad = FaultRule::s3(FaultKind::KillBackend);
        assert!(faults.load(&FaultSchedule::new([good.clone(), bad])).is_err());
        assert!(faults.report().is_empty());
        assert_eq!(faults.load(&FaultSchedule::new([good.clone(), good])).unwrap().len(), 2);
        faults.next(&post("/", ""));
        let report = faults.report();
        assert_eq!((report[0].fired, report[0].armed, report[1].fired, report[1].armed), (1, false, 0, true));
    }

    #[test]
    fn clear_disarms_everything() {
        let faults = Faults::default();
        faults.schedule(FaultRule::databricks(THROTTLED).with_sql("x").always()).unwrap();
        assert!(faults.reads_bodies(Front::Databricks) && !faults.reads_bodies(Front::S3));
        faults.clear();
        assert!(!faults.reads_bodies(Front::Databricks));
        assert_eq!(faults.next(&post("/", "x")), None);
    }
}
