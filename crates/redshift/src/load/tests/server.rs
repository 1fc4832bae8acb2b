//! A server that does what a load asks for: it keeps a ledger, reads manifests and files, and takes transactions back.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use arrow::{array::AsArray as _, datatypes::Int64Type};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::sync::OwnedMutexGuard;

use crate::testing::{Answers, Say};

/// What goes wrong at a statement, once.
#[derive(Clone, Debug)]
pub(super) enum Mishap {
    Refused(&'static str, String),
    HangUpBefore,
    HangUpAfter,
    Silence,
    /// In place of the right answer.
    Instead(Say),
}

/// The server as all its sessions see it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) store: Arc<InMemory>,
    state: Arc<Mutex<State>>,
    lock: Arc<tokio::sync::Mutex<()>>,
}

struct State {
    table: Vec<i64>,
    /// Token, table id, attempt, rows.
    ledger: Option<Vec<[String; 4]>>,
    mishaps: VecDeque<(&'static str, Mishap)>,
    columns: Vec<[&'static str; 8]>,
    table_id: u32,
    /// Whether there is the table.
    exists: bool,
}

const fn col(
    name: &'static str,
    data_type: &'static str,
    length: &'static str,
    nullable: &'static str,
) -> [&'static str; 8] {
    [name, data_type, length, "<null>", "<null>", nullable, "<null>", "<null>"]
}

impl Server {
    pub(super) fn new() -> Self {
        let columns = vec![col("id", "bigint", "<null>", "NO"), col("name", "character varying", "10", "YES")];
        let state =
            State { table: Vec::new(), ledger: None, mishaps: VecDeque::new(), columns, table_id: 100, exists: true };
        Self { store: Arc::new(InMemory::new()), state: Arc::new(Mutex::new(state)), lock: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Goes wrong at the next statement that begins like this.
    pub(super) fn fail(&self, statement: &'static str, mishap: Mishap) {
        self.state().mishaps.push_back((statement, mishap));
    }

    pub(super) fn with_column(self, name: &'static str, data_type: &'static str, default: &'static str) -> Self {
        self.state().columns.push([name, data_type, "<null>", "<null>", "<null>", "YES", default, "<null>"]);
        self
    }

    /// Without the table.
    pub(super) fn empty() -> Self {
        let server = Self::new();
        server.state().exists = false;
        server
    }

    /// The ids in the table, sorted.
    pub(super) fn rows(&self) -> Vec<i64> {
        let mut rows = self.state().table.clone();
        rows.sort_unstable();
        rows
    }

    pub(super) fn entries(&self) -> usize {
        self.state().ledger.as_ref().map_or(0, Vec::len)
    }

    /// The table is dropped and made anew.
    pub(super) fn remake_table(&self) {
        let mut state = self.state();
        state.table.clear();
        state.table_id += 1;
    }

    pub(super) fn session(&self) -> Session {
        Session { server: self.clone(), open: None, copied: -1 }
    }

    async fn read(&self, url: &str) -> Result<Bytes, Say> {
        let path = Path::from(url.strip_prefix("s3://bucket/").unwrap_or_else(|| panic!("{url}")));
        let missing = |_| Say::Error("XX000", format!("S3ServiceException: {url},Status 404,Error NoSuchKey,Rid 1"));
        self.store.get(&path).await.map_err(missing)?.bytes().await.map_err(|error| panic!("{error}"))
    }

    async fn files(&self, manifest: &str) -> Result<Vec<i64>, Say> {
        let manifest: serde_json::Value = serde_json::from_slice(&self.read(manifest).await?).unwrap();
        let mut ids = Vec::new();
        for entry in manifest["entries"].as_array().unwrap() {
            assert_eq!(entry["mandatory"], true);
            let file = self.read(entry["url"].as_str().unwrap()).await?;
            assert_eq!(entry["meta"]["content_length"], file.len());
            for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
                ids.extend_from_slice(batch.unwrap().column(0).as_primitive::<Int64Type>().values());
            }
        }
        Ok(ids)
    }
}

#[derive(Default)]
struct Open {
    _lock: Option<OwnedMutexGuard<()>>,
    rows: Vec<i64>,
    entries: Vec<[String; 4]>,
    /// The rows that were there are gone.
    emptied: bool,
    dropped: bool,
    made: bool,
    /// Entries of the first table become the second's.
    handed_down: Option<(String, String)>,
}

pub(super) struct Session {
    server: Server,
    open: Option<Open>,
    copied: i64,
}

/// The literals of a statement.
fn literals(sql: &str) -> Vec<String> {
    sql.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

#[async_trait]
impl Answers for Session {
    async fn answer(&mut self, sql: &str) -> Say {
        let mishap = {
            let mut state = self.server.state();
            let at = state.mishaps.iter().position(|(statement, _)| sql.starts_with(statement));
            at.and_then(|at| state.mishaps.remove(at)).map(|(_, mishap)| mishap)
        };
        match mishap {
            None => self.right(sql).await,
            Some(Mishap::Refused(code, text)) => Say::Error(code, text),
            Some(Mishap::Instead(say)) => say,
            Some(Mishap::Silence) => Say::Nothing,
            Some(Mishap::HangUpBefore) => {
                self.open = None;
                Say::HangUp
            }
            Some(Mishap::HangUpAfter) => {
                self.right(sql).await;
                Say::HangUp
            }
        }
    }
}

impl Session {
    async fn right(&mut self, sql: &str) -> Say {
        let says = |piece: &str| sql.contains(piece);
        // Names come as the caller spelled them.
        let begins = |piece: &str| sql.to_lowercase().starts_with(&piece.to_lowercase());
        if says("current_database()") {
            Say::row(&["dev", "{public}"])
        } else if says("svv_all_tables") && says("'orders'") {
            Say::row(&["dev", "public", "orders", "TABLE", "<null>"])
        } else if says("svv_all_columns") {
            let columns = self.server.state().columns.clone();
            Say::rows(&columns.iter().map(|column| &column[..]).collect::<Vec<_>>())
        } else if says("pg_class") {
            let state = self.server.state();
            let open = self.open.as_ref();
            let (made, dropped) = open.map_or((false, false), |open| (open.made, open.dropped));
            match made || (state.exists && !dropped) {
                true => Say::row(&[&(state.table_id + u32::from(made)).to_string()]),
                false => Say::none(),
            }
        } else if let Some(open) = self.open.as_mut().filter(|_| begins("DELETE FROM \"public\".\"orders\"")) {
            open.emptied = true;
            Say::done("DELETE 1")
        } else if let Some(open) = self.open.as_mut().filter(|_| begins("DROP TABLE \"public\".\"orders\"")) {
            (open.dropped, open.emptied) = (true, true);
            Say::done("DROP TABLE")
        } else if let Some(open) = self.open.as_mut().filter(|_| begins("CREATE TABLE \"public\".\"orders\"")) {
            open.made = true;
            Say::done("CREATE TABLE")
        } else if let Some(open) = self.open.as_mut().filter(|_| sql.starts_with("UPDATE")) {
            let number = |after: &str| sql.split(after).nth(1).unwrap().split(' ').next().unwrap().to_owned();
            open.handed_down = Some((number("WHERE \"table_id\" = "), number("SET \"table_id\" = ")));
            Say::done("UPDATE 1")
        } else if begins("SELECT COUNT(*) FROM \"public\".\"orders\" WHERE") {
            // Of the rows below 100.
            let open = self.open.as_ref().expect("a count inside of the transaction");
            Say::row(&[&open.rows.iter().filter(|id| **id < 100).count().to_string()])
        } else if sql == "BEGIN" {
            self.open = Some(Open::default());
            Say::done("BEGIN")
        } else if sql.starts_with("LOCK TABLE") {
            if self.server.state().ledger.is_none() {
                return Say::Error("42P01", "relation \"twinhouse_loads\" does not exist".to_owned());
            }
            let lock = self.server.lock.clone().lock_owned().await;
            self.open.as_mut().expect("a lock outside of a transaction")._lock = Some(lock);
            Say::done("LOCK TABLE")
        } else if sql.starts_with("CREATE TABLE IF NOT EXISTS") {
            assert!(self.open.is_none(), "the ledger is created outside of the transaction");
            self.server.state().ledger.get_or_insert_default();
            Say::done("CREATE TABLE")
        } else if sql.starts_with("SELECT \"attempt\"") {
            self.known(sql)
        } else if sql.starts_with("COPY") {
            let ids = match self.server.files(&literals(sql)[0]).await {
                Ok(ids) => ids,
                Err(say) => return say,
            };
            self.copied = ids.len() as i64;
            self.open.as_mut().expect("a copy outside of a transaction").rows.extend(ids);
            Say::done("COPY")
        } else if says("pg_last_copy_count()") {
            Say::row(&[&self.copied.to_string()])
        } else if sql.starts_with("INSERT INTO \"public\".\"twinhouse_loads\"") {
            let texts = literals(sql);
            let number = |after: &str| sql.split(after).nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
            let entry = [
                texts[0].clone(),
                number(&format!("'{}',", texts[0])),
                texts[2].clone(),
                number(&format!("'{}',", texts[2])),
            ];
            self.open.as_mut().expect("an entry outside of a transaction").entries.push(entry);
            Say::done("INSERT 0 1")
        } else if sql == "COMMIT" {
            let open = self.open.take().expect("nothing to commit");
            let mut state = self.server.state();
            if open.emptied {
                state.table.clear();
            }
            if open.made {
                state.exists = true;
                state.table_id += 1;
            }
            state.table.extend(open.rows);
            let ledger = state.ledger.get_or_insert_default();
            if let Some((from, to)) = open.handed_down {
                ledger.iter_mut().filter(|entry| entry[1] == from).for_each(|entry| entry[1] = to.clone());
            }
            ledger.extend(open.entries);
            Say::done("COMMIT")
        } else if sql == "ROLLBACK" {
            self.open = None;
            Say::done("ROLLBACK")
        } else {
            Say::none()
        }
    }

    fn known(&self, sql: &str) -> Say {
        let state = self.server.state();
        let Some(ledger) = &state.ledger else {
            return Say::Error("42P01", "relation \"twinhouse_loads\" does not exist".to_owned());
        };
        let id = sql.split("\"table_id\" = ").nth(1).unwrap().split(' ').next().unwrap();
        match ledger.iter().find(|entry| entry[0] == literals(sql)[0] && entry[1] == id) {
            Some(entry) => Say::row(&[&entry[2]]),
            None => Say::none(),
        }
    }
}

/// Names of what is in the staging place.
pub(super) async fn staged(store: &InMemory) -> Vec<String> {
    use futures::TryStreamExt as _;
    let all: Vec<_> = store.list(None).try_collect().await.unwrap();
    all.into_iter().map(|object| object.location.to_string()).collect()
}
