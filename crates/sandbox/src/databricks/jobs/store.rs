//! The jobs and their runs: in memory, and on disk as far as they must outlive the sandbox.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::{
    run::Run,
    state::{Ending, Outcome, Phase},
};

/// The service forgets runs after 60 days.
const KEEP: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// A job as it is defined.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
    /// Newer jobs have greater numbers.
    pub(crate) sequence: u64,
    pub(crate) settings: Value,
    pub(crate) created_time: u64,
    /// How many runs it has had.
    pub(crate) runs: u64,
}

/// What a run may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Begin,
    Queue,
    Skip,
}

/// What came of a request with an idempotency token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    New,
    /// The run that the token belongs to.
    Existing(u64),
    /// It belonged to a run that was deleted.
    Deleted,
}

/// All jobs and runs.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    book: Mutex<Book>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Book {
    definitions: Definitions,
    /// By their sequence.
    runs: BTreeMap<u64, Run>,
    /// Runs of jobs and of tasks, to the sequence of the run.
    places: HashMap<u64, u64>,
    tokens: HashMap<String, u64>,
    sequence: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Definitions {
    jobs: BTreeMap<u64, Job>,
    /// The idempotency tokens of deleted runs.
    #[serde(default)]
    spent: Vec<String>,
}

impl Store {
    /// Reads what is below `root`. Runs that were under way are over: nobody works on them any more.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folder = root.join("jobs");
        fs::create_dir_all(folder.join("runs"))?;
        let definitions: Definitions = match fs::read(folder.join("jobs.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Definitions::default(),
            Err(error) => return Err(error),
        };
        let mut book = Book { definitions, ..Book::default() };
        book.sequence = book.definitions.jobs.values().map(|job| job.sequence).max().unwrap_or_default();
        let store = Self { folder, book: Mutex::default(), changes: watch::Sender::new(0) };
        for entry in fs::read_dir(store.folder.join("runs"))? {
            let file = entry?.path().join("run.json");
            let run = fs::read(&file).and_then(|bytes| Ok(serde_json::from_slice::<Run>(&bytes)?));
            match run {
                Ok(run) => book.enter(run),
                Err(error) => tracing::warn!(%error, file = %file.display(), "a run of a job is lost"),
            }
        }
        *store.book() = book;
        store.interrupt("The sandbox stopped while the run was active.");
        store.forget_old(SystemTime::now());
        Ok(store)
    }

    /// Where a task leaves its files.
    pub(crate) fn task_folder(&self, run: u64, task_run: u64) -> PathBuf {
        self.run_folder(run).join(task_run.to_string())
    }

    fn run_folder(&self, run: u64) -> PathBuf {
        self.folder.join("runs").join(run.to_string())
    }

    /// Told of every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A number that nothing has, as long as the service's.
    pub(super) fn new_id(&self) -> u64 {
        let book = self.book();
        loop {
            let id = fastrand::u64(100_000_000_000_000..1_000_000_000_000_000);
            if !book.places.contains_key(&id) && !book.definitions.jobs.contains_key(&id) {
                return id;
            }
        }
    }

    /// Keeps a new job.
    pub(crate) fn create_job(&self, settings: Value) -> io::Result<u64> {
        let id = self.new_id();
        self.change_definitions(|definitions, sequence| {
            let job = Job { id, sequence, settings, created_time: now_ms(), runs: 0 };
            definitions.jobs.insert(id, job);
            id
        })
    }

    pub(crate) fn job(&self, id: u64) -> Option<Job> {
        self.book().definitions.jobs.get(&id).cloned()
    }

    /// All jobs, the newest first.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.book().definitions.jobs.values().cloned().collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(job.sequence));
        jobs
    }

    /// Gives a job other settings. False if there is no such job.
    pub(crate) fn set_job(&self, id: u64, settings: Value) -> io::Result<bool> {
        self.change_definitions(|definitions, _| match definitions.jobs.get_mut(&id) {
            Some(job) => {
                job.settings = settings;
                true
            }
            None => false,
        })
    }

    /// False if there is no such job.
    pub(crate) fn remove_job(&self, id: u64) -> io::Result<bool> {
        self.change_definitions(|definitions, _| definitions.jobs.remove(&id).is_some())
    }

    fn change_definitions<T>(&self, change: impl FnOnce(&mut Definitions, u64) -> T) -> io::Result<T> {
        let mut book = self.book();
        let mut definitions = book.definitions.clone();
        let changed = change(&mut definitions, book.sequence + 1);
        self.save("jobs.json".as_ref(), &serde_json::to_vec_pretty(&definitions)?)?;
        book.sequence += 1;
        book.definitions = definitions;
        drop(book);
        self.tell();
        Ok(changed)
    }

    /// Keeps a new run, unless its token says that it is not new. Its sequence and its number in the job are set here.
    pub(super) fn enter(&self, mut run: Run) -> io::Result<Entered> {
        let mut book = self.book();
        if let Some(token) = &run.token {
            if let Some(existing) = book.tokens.get(token) {
                return Ok(Entered::Existing(*existing));
            }
            if book.definitions.spent.contains(token) {
                return Ok(Entered::Deleted);
            }
        }
        book.sequence += 1;
        run.sequence = book.sequence;
        run.number_in_job = match book.definitions.jobs.get_mut(&run.job_id) {
            Some(job) => {
                job.runs += 1;
                job.runs
            }
            None => run.id,
        };
        self.save_run(&run)?;
        book.enter(run);
        drop(book);
        self.tell();
        Ok(Entered::New)
    }

    /// Looks at the run that has this number, or one of whose tasks has it.
    pub(crate) fn look<T>(&self, id: u64, look: impl FnOnce(&Run) -> T) -> Option<T> {
        let book = self.book();
        let sequence = book.places.get(&id)?;
        book.runs.get(sequence).map(look)
    }

    /// Changes a run.
    pub(super) fn change<T>(&self, id: u64, change: impl FnOnce(&mut Run) -> T) -> Option<T> {
        let mut book = self.book();
        let sequence = *book.places.get(&id)?;
        let run = book.runs.get_mut(&sequence)?;
        let was_over = run.is_over();
        let changed = change(run);
        let ids: Vec<u64> = run.all_tasks_mut().map(|task| task.id).collect();
        if run.is_over() != was_over
            && let Err(error) = self.save_run(run)
        {
            tracing::warn!(%error, "a run of a job is not on disk");
        }
        for id in ids {
            book.places.insert(id, sequence);
        }
        drop(book);
        self.tell();
        Some(changed)
    }

    /// The newest runs first, as far as `look` wants them.
    pub(crate) fn scan<T>(&self, look: impl FnMut(&Run) -> Option<T>) -> Vec<T> {
        self.book().runs.values().rev().filter_map(look).collect()
    }

    /// Forgets a run and its files. Its token stays taken.
    pub(crate) fn remove_run(&self, id: u64) -> io::Result<()> {
        let mut book = self.book();
        let Some(sequence) = book.places.get(&id).copied() else { return Ok(()) };
        let Some(run) = book.runs.remove(&sequence) else { return Ok(()) };
        book.places.retain(|_, place| *place != sequence);
        let token = run.token.clone();
        if let Some(token) = &token {
            book.tokens.remove(token);
        }
        drop(book);
        if let Some(token) = token {
            self.change_definitions(|definitions, _| definitions.spent.push(token))?;
        }
        remove_folder(&self.run_folder(run.id))
    }

    /// Whether a run may begin now; if so, it has begun.
    pub(super) fn admit(&self, id: u64, limit: u64, queue: bool) -> Admission {
        let mut book = self.book();
        let Some(sequence) = book.places.get(&id).copied() else { return Admission::Skip };
        let Some(job) = book.runs.get(&sequence).map(|run| run.job_id) else { return Admission::Skip };
        let others =
            || book.runs.values().filter(|run| run.job_id == job && run.sequence != sequence && !run.is_over());
        // Of those that ask at the same time, the first to come is the first to begin.
        let is_first = |run: &&Run| run.begun.is_some() || run.sequence < sequence;
        let active = others().filter(|run| run.phase != Phase::Queued).filter(is_first).count() as u64;
        let ahead = others().filter(|run| run.phase == Phase::Queued && run.sequence < sequence).count();
        let admission = if active < limit && ahead == 0 {
            Admission::Begin
        } else if queue {
            Admission::Queue
        } else {
            Admission::Skip
        };
        let Some(run) = book.runs.get_mut(&sequence) else { return Admission::Skip };
        let before = run.phase.clone();
        match admission {
            Admission::Begin => {
                run.phase = Phase::Running;
                run.begun = Some(now_ms());
            }
            Admission::Queue => run.phase = Phase::Queued,
            Admission::Skip => {}
        }
        let changed = before != run.phase;
        drop(book);
        if changed {
            self.tell();
        }
        admission
    }

    /// Ends everything that is under way.
    pub(super) fn interrupt(&self, message: &str) {
        let active = self.scan(|run| (!run.is_over()).then_some(run.id));
        for id in active {
            self.change(id, |run| finish(run, &Ending::new(Outcome::Broken, message), Outcome::Broken));
        }
    }

    /// Forgets runs that are older than the service keeps them.
    pub(crate) fn forget_old(&self, now: SystemTime) {
        let limit = millis(now).saturating_sub(KEEP.as_millis() as u64);
        let old = self.scan(|run| run.end_time.is_some_and(|end| end < limit).then_some(run.id));
        for id in old {
            if let Err(error) = self.remove_run(id) {
                tracing::warn!(%error, "an old run of a job stays");
            }
        }
    }

    fn save_run(&self, run: &Run) -> io::Result<()> {
        fs::create_dir_all(self.run_folder(run.id))?;
        self.save(&Path::new("runs").join(run.id.to_string()).join("run.json"), &serde_json::to_vec(run)?)
    }

    /// A file appears whole or not at all.
    fn save(&self, name: &Path, content: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(content)?;
        file.persist(self.folder.join(name))?;
        Ok(())
    }

    fn tell(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn enter(&mut self, mut run: Run) {
        self.sequence = self.sequence.max(run.sequence);
        self.places.insert(run.id, run.sequence);
        let tasks: Vec<u64> = run.all_tasks_mut().map(|task| task.id).collect();
        self.places.extend(tasks.into_iter().map(|id| (id, run.sequence)));
        if let Some(token) = &run.token {
            self.tokens.insert(token.clone(), run.id);
        }
        self.runs.insert(run.sequence, run);
    }
}

/// Ends a run, and what of it is not over yet with `rest`.
pub(super) fn finish(run: &mut Run, ending: &Ending, rest: Outcome) {
    let now = now_ms();
    let message = match rest {
        Outcome::Canceled => "Run cancelled.",
        _ => ending.message.as_str(),
    };
    for task in run.all_tasks_mut().filter(|task| !task.phase.is_over()) {
        task.phase = Phase::Ended(Ending::new(rest, message));
        task.end_time = Some(now);
    }
    run.phase = Phase::Ended(ending.clone());
    run.end_time = Some(now);
    if let Some(repair) = run.repairs.last_mut().filter(|repair| repair.end_time.is_none()) {
        repair.end_time = Some(now);
        repair.phase = Phase::Ended(ending.clone());
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn now_ms() -> u64 {
    millis(SystemTime::now())
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
