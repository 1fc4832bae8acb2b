//! One statement or batch, from its arrival to its end.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::redshift::{Column, Receiver, StopKey};

/// About how many bytes of rows one page of a result has.
const PAGE: usize = 1 << 20;

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
    key: Option<StopKey>,
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
    pub(super) outcome: Outcome,
}

/// The answer to one SQL text: its rows in a file, page by page.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) columns: Option<Vec<Column>>,
    pub(super) rows: u64,
    pub(super) changed: Option<u64>,
    pub(super) bytes: u64,
    format: Format,
    spool: Option<File>,
    /// Where each finished page ends.
    ends: Vec<u64>,
    page: String,
}

impl Part {
    pub(super) fn new(sql: String) -> Self {
        let course =
            PartCourse { status: Status::Submitted, error: None, began: None, nanos: 0, outcome: Outcome::default() };
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
                key: None,
                stopping: false,
                updated: now,
            }),
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
    pub(super) fn is_forgotten(&self, time: std::time::Duration) -> bool {
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
    pub(super) fn start(&self, key: StopKey) -> bool {
        let mut course = self.lock();
        if course.stopping {
            return false;
        }
        course.status = Status::Started;
        (course.process, course.key, course.updated) = (key.process, Some(key), SystemTime::now());
        drop(course);
        self.changed.notify_waiters();
        true
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
        (course.key, course.updated) = (None, SystemTime::now());
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
    pub(super) async fn stop(&self) -> bool {
        let key = {
            let mut course = self.lock();
            if course.status.is_over() {
                return false;
            }
            course.stopping = true;
            course.key
        };
        if let Some(key) = key {
            // A session that is gone has nothing to stop.
            let _ = key.stop().await;
        }
        true
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Waits for its end, so long at the most.
    pub(super) async fn wait(&self, limit: std::time::Duration) {
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
    fn flush(&mut self) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(tempfile::tempfile()?),
        };
        spool.write_all(self.page.as_bytes())?;
        self.page.clear();
        self.ends.push(spool.stream_position()?);
        Ok(())
    }

    pub(super) fn new(format: Format) -> Self {
        Self { format, ..Self::default() }
    }

    /// The rows of a page as they are handed out, and whether more follow. The first page of no rows is there, and empty.
    pub(super) fn page(&mut self, number: usize) -> io::Result<Option<(Value, bool)>> {
        let Some(spool) = &mut self.spool else { return Ok((number == 0).then(|| (json!([]), false))) };
        let Some(&end) = self.ends.get(number) else { return Ok(None) };
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
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
        if self.page.is_empty() { Ok(()) } else { self.flush() }
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
