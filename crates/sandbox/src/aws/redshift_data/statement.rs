//! One statement or batch, from its arrival to its end.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempPath};
use tokio::sync::Notify;

use crate::redshift::{Column, Receiver, StopKey};

/// About how many bytes of rows one page of a result has.
const PAGE: usize = 1 << 20;
/// Between one try to stop a statement and the next.
const STOP_AGAIN: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Submitted,
    Started,
    Finished,
    Failed,
    Aborted,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Started => "STARTED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
        }
    }

    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Aborted)
    }
}

/// How the rows of a result are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Json,
    Csv,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Csv => "CSV",
        }
    }
}

/// What was handed in, and what has become of it.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) database: String,
    /// What was named: the cluster or the workgroup.
    pub(super) target: (&'static str, String),
    pub(super) session: Option<String>,
    pub(super) parameters: Value,
    pub(super) is_batch: bool,
    pub(super) format: Format,
    pub(super) created: SystemTime,
    pub(super) parts: Vec<Part>,
    course: Mutex<Course>,
    /// What stops it, as long as there is something to stop. Held while somebody does: what the session runs next must
    /// not be hit.
    key: tokio::sync::Mutex<Option<StopKey>>,
    /// Told at every change.
    changed: Notify,
}

/// One SQL text of it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) sql: String,
    pub(super) course: Mutex<PartCourse>,
}

#[derive(Debug)]
struct Course {
    status: Status,
    error: Option<String>,
    process: i32,
    stopping: bool,
    updated: SystemTime,
}

/// What has become of one SQL text.
#[derive(Debug)]
pub(super) struct PartCourse {
    pub(super) status: Status,
    pub(super) error: Option<String>,
    pub(super) began: Option<Instant>,
    pub(super) nanos: u128,
    pub(super) outcome: Option<Outcome>,
}

/// The answer to one SQL text: its rows in a file, page by page.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) columns: Option<Vec<Column>>,
    pub(super) rows: u64,
    pub(super) changed: Option<u64>,
    pub(super) bytes: u64,
    format: Format,
    /// Where its file goes.
    folder: Arc<Path>,
    spool: Spool,
    /// Where each finished page ends.
    ends: Vec<u64>,
    page: String,
}

/// A file that goes when the answer goes. It is open only while it is written: answers are many.
#[derive(Debug, Default)]
enum Spool {
    #[default]
    None,
    Written(NamedTempFile),
    Kept(TempPath),
}

impl Part {
    pub(super) fn new(sql: String) -> Self {
        let course = PartCourse { status: Status::Submitted, error: None, began: None, nanos: 0, outcome: None };
        Self { sql, course: Mutex::new(course) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, PartCourse> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Statement {
    pub(super) fn new(name: Option<&str>, database: &str, target: (&'static str, String), sqls: Vec<String>) -> Self {
        let now = SystemTime::now();
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            name: name.map(str::to_owned),
            database: database.to_owned(),
            target,
            session: None,
            parameters: Value::Null,
            is_batch: false,
            format: Format::default(),
            created: now,
            parts: sqls.into_iter().map(Part::new).collect(),
            course: Mutex::new(Course {
                status: Status::Submitted,
                error: None,
                process: 0,
                stopping: false,
                updated: now,
            }),
            key: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        self.status().is_over()
    }

    /// Whether it has been over for so long.
    pub(super) fn is_forgotten(&self, time: Duration) -> bool {
        let course = self.lock();
        course.status.is_over() && course.updated.elapsed().is_ok_and(|since| since >= time)
    }

    pub(super) fn status(&self) -> Status {
        self.lock().status
    }

    pub(super) fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    pub(super) fn process(&self) -> i32 {
        self.lock().process
    }

    pub(super) fn updated(&self) -> SystemTime {
        self.lock().updated
    }

    /// It runs from now on, unless somebody has stopped it already.
    pub(super) async fn start(&self, key: StopKey) -> bool {
        let mut kept = self.key.lock().await;
        {
            let mut course = self.lock();
            if course.stopping {
                return false;
            }
            (course.status, course.process, course.updated) = (Status::Started, key.process, SystemTime::now());
        }
        *kept = Some(key);
        drop(kept);
        self.changed.notify_waiters();
        true
    }

    /// There is nothing more to stop in its session.
    pub(super) async fn disarm(&self) {
        *self.key.lock().await = None;
    }

    /// It is over.
    pub(super) fn end(&self, outcome: Result<(), String>) {
        let mut course = self.lock();
        course.status = match &outcome {
            Ok(()) => Status::Finished,
            Err(_) if course.stopping => Status::Aborted,
            Err(_) => Status::Failed,
        };
        course.error = outcome.err();
        course.updated = SystemTime::now();
        let status = course.status;
        drop(course);
        for part in &self.parts {
            let mut part = part.lock();
            // What was not reached, and what was undone.
            if !part.status.is_over() {
                part.status = if status == Status::Finished { Status::Finished } else { Status::Aborted };
            } else if part.status == Status::Failed && status == Status::Aborted {
                part.status = Status::Aborted;
            }
        }
        self.changed.notify_waiters();
    }

    /// Asks for its end. False: it was over.
    pub(super) fn stop(self: &Arc<Self>) -> bool {
        {
            let mut course = self.lock();
            if course.status.is_over() {
                return false;
            }
            if std::mem::replace(&mut course.stopping, true) {
                return true;
            }
        }
        let statement = Arc::clone(self);
        tokio::spawn(async move {
            // One that comes before the database has begun is lost: until it is heard.
            while statement.stop_once().await {
                tokio::time::sleep(STOP_AGAIN).await;
            }
        });
        true
    }

    /// False: there is nothing to stop.
    async fn stop_once(&self) -> bool {
        let key = self.key.lock().await;
        let Some(key) = &*key else { return false };
        // A session that is gone has nothing to stop.
        let _ = key.stop().await;
        true
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Waits for its end, so long at the most.
    pub(super) async fn wait(&self, limit: Duration) {
        let over = async {
            loop {
                let changed = self.changed.notified();
                if self.is_over() {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(limit, over).await;
    }
}

impl Outcome {
    pub(super) fn new(format: Format, folder: Arc<Path>) -> Self {
        Self {
            columns: None,
            rows: 0,
            changed: None,
            bytes: 0,
            format,
            folder,
            spool: Spool::None,
            ends: Vec::new(),
            page: String::new(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Spool::None = self.spool {
            self.spool = Spool::Written(NamedTempFile::new_in(&self.folder)?);
        }
        if let Spool::Written(spool) = &mut self.spool {
            spool.write_all(self.page.as_bytes())?;
            self.page.clear();
            self.ends.push(spool.stream_position()?);
        }
        Ok(())
    }

    /// The rows of a page as they are handed out, and whether more follow. The first page of no rows is there, and empty.
    pub(super) fn page(&self, number: usize) -> io::Result<Option<(Value, bool)>> {
        let Spool::Kept(path) = &self.spool else { return Ok((number == 0).then(|| (json!([]), false))) };
        let Some(&end) = self.ends.get(number) else { return Ok(None) };
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut spool = File::open(path)?;
        spool.seek(SeekFrom::Start(start))?;
        let mut text = String::new();
        spool.take(end - start).read_to_string(&mut text)?;
        let records = match self.format {
            Format::Json => serde_json::from_str(&format!("[{text}]"))?,
            Format::Csv => json!([{ "CSVRecords": text }]),
        };
        Ok(Some((records, number + 1 < self.ends.len())))
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self) -> io::Result<()> {
        if !self.page.is_empty() {
            self.flush()?;
        }
        if let Spool::Written(spool) = std::mem::take(&mut self.spool) {
            self.spool = Spool::Kept(spool.into_temp_path());
        }
        Ok(())
    }
}

impl Receiver for Outcome {
    fn columns(&mut self, columns: Vec<Column>) -> io::Result<()> {
        self.columns = Some(columns);
        Ok(())
    }

    fn row(&mut self, values: Vec<Option<String>>) -> io::Result<()> {
        let columns = self.columns.as_deref().unwrap_or_default();
        let row = match self.format {
            Format::Json => {
                let fields =
                    values.into_iter().zip(columns).map(|(value, column)| super::page::field(value, column.oid));
                Value::Array(fields.collect()).to_string()
            }
            Format::Csv => super::page::line(&values),
        };
        self.bytes += row.len() as u64;
        self.rows += 1;
        if self.format == Format::Json && !self.page.is_empty() {
            self.page.push(',');
        }
        self.page.push_str(&row);
        if self.page.len() >= PAGE { self.flush() } else { Ok(()) }
    }

    fn done(&mut self, tag: &str) {
        let verb = tag.split(' ').next().unwrap_or_default();
        if matches!(verb, "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY") {
            self.changed = tag.rsplit(' ').next().and_then(|count| count.parse().ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn a_statement_is_stopped_until_it_is_over() {
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let statement = Arc::new(Statement::new(None, "dev", ("", String::new()), vec!["select 1".to_owned()]));
        assert!(statement.start(StopKey::at(front.local_addr().unwrap().port())).await);
        assert!(statement.stop() && statement.stop());
        // The database has not begun when the first is heard, nor when the second is.
        for _ in 0..2 {
            let (mut asked, _) = front.accept().await.unwrap();
            asked.read_exact(&mut [0; 16]).await.unwrap();
        }
        let disarmed = tokio::spawn({
            let statement = Arc::clone(&statement);
            async move { statement.disarm().await }
        });
        // One may be under way: what the session runs next waits for it.
        while !disarmed.is_finished() {
            tokio::select! {
                asked = front.accept() => drop(asked),
                () = tokio::task::yield_now() => {}
            }
        }
        statement.end(Err("cancelled".to_owned()));
        assert_eq!((statement.status(), statement.stop()), (Status::Aborted, false));
        assert!(!statement.stop_once().await);
    }

    #[tokio::test]
    async fn one_that_was_stopped_before_it_began_does_not_begin() {
        let statement = Arc::new(Statement::new(None, "dev", ("", String::new()), vec!["select 1".to_owned()]));
        assert!(statement.stop());
        assert!(!statement.start(StopKey::at(1)).await);
        assert!(!statement.stop_once().await);
    }

    #[test]
    fn rows_lie_in_a_file_that_nobody_holds_open_and_that_goes_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut outcome = Outcome::new(Format::Json, folder.path().into());
        outcome.columns(vec![Column { name: "a".to_owned(), oid: 25, modifier: -1 }]).unwrap();
        let wide = "x".repeat(PAGE / 2);
        for _ in 0..3 {
            outcome.row(vec![Some(wide.clone())]).unwrap();
        }
        outcome.close().unwrap();
        let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let held = |link: std::path::PathBuf| link.starts_with(folder.path());
        assert!(!open.map(|file| std::fs::read_link(file.path())).any(|link| link.is_ok_and(held)));
        let (records, more) = outcome.page(0).unwrap().unwrap();
        assert_eq!((records.as_array().unwrap().len(), more), (2, true));
        assert_eq!(outcome.page(1).unwrap().unwrap(), (json!([[{ "stringValue": wide }]]), false));
        assert!(outcome.page(2).unwrap().is_none());
        drop(outcome);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
