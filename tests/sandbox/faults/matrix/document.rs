//! The page: written from what was seen, or held against it.

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use twinhouse_core::{Effect, Result};

use super::operation::Operation;

/// Set to `1`: the page is written instead of compared.
const WRITE: &str = "TWINHOUSE_WRITE_DOCS";

/// What came of one operation under one fault.
#[derive(Clone, Debug)]
pub(super) struct Cell(String);

impl Cell {
    pub(super) fn new(outcome: &Result<()>, operation: Operation, retries: u64) -> Self {
        let what = match outcome {
            Ok(()) => "exact".to_owned(),
            Err(error) if operation.reads() => format!("`{}`", error.kind().as_str()),
            Err(error) => {
                let done = match error.fault().effect {
                    Effect::None => "not done",
                    Effect::Unknown => "unknown",
                };
                format!("`{}`, {done}", error.kind().as_str())
            }
        };
        Self(format!("{what}, {retries}"))
    }
}

/// The table of one backend.
pub(super) struct Section {
    title: &'static str,
    operations: &'static [Operation],
    /// In the order in which they were first met.
    rows: Vec<(&'static str, Vec<Option<Cell>>)>,
}

impl Section {
    pub(super) fn new(title: &'static str, operations: &'static [Operation]) -> Self {
        Self { title, operations, rows: Vec::new() }
    }

    pub(super) fn put(&mut self, fault: &'static str, operation: Operation, cell: Cell) {
        let column = self.operations.iter().position(|known| *known == operation).expect("a column of this backend");
        let row = match self.rows.iter().position(|(label, _)| *label == fault) {
            Some(row) => row,
            None => {
                self.rows.push((fault, vec![None; self.operations.len()]));
                self.rows.len() - 1
            }
        };
        self.rows[row].1[column] = Some(cell);
    }

    fn write(&self, page: &mut String) {
        let _ = write!(page, "### {}\n\n| fault |", self.title);
        for operation in self.operations {
            let _ = write!(page, " {} |", operation.name());
        }
        let _ = writeln!(page, "\n|---{}|", "|---".repeat(self.operations.len()));
        for (fault, cells) in &self.rows {
            let _ = write!(page, "| {fault} |");
            for cell in cells {
                let _ = write!(page, " {} |", cell.as_ref().map_or("", |cell| cell.0.as_str()));
            }
            page.push('\n');
        }
        let count = self.rows.iter().flat_map(|(_, cells)| cells).flatten().count();
        let _ = writeln!(page, "\n{count} outcomes. Rows lost: 0. Rows doubled: 0.\n");
    }
}

/// Writes the chapter, or fails if the page says something else.
pub(super) fn check(chapter: &str, sections: &[Section]) {
    static PAGE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md");
    let page = fs::read_to_string(&path).expect("docs/reliability.md");
    let (begin, end) = (format!("<!-- seen by the tests: {chapter} -->\n\n"), format!("<!-- end of {chapter} -->"));
    let from = page.find(&begin).expect("the chapter's beginning") + begin.len();
    let to = from + page[from..].find(&end).expect("the chapter's end");
    let mut seen = String::new();
    sections.iter().for_each(|section| section.write(&mut seen));
    if std::env::var(WRITE).is_ok_and(|value| value == "1") {
        fs::write(&path, format!("{}{seen}{}", &page[..from], &page[to..])).expect("docs/reliability.md is ours");
        return;
    }
    let said = &page[from..to];
    let news: Vec<_> = seen.lines().filter(|line| !said.lines().any(|known| known == *line)).collect();
    let olds: Vec<_> = said.lines().filter(|line| !seen.lines().any(|known| known == *line)).collect();
    assert!(
        said == seen,
        "docs/reliability.md is out of date; {WRITE}=1 writes it anew.\nseen: {news:#?}\nsaid: {olds:#?}"
    );
}
