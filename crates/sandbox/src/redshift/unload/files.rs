//! The files of an unload while they are written, and how they are called.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::datatypes::SchemaRef;
use tempfile::TempPath;

use super::{
    super::{
        copy::{Compression, Compressor},
        storage::Storage,
    },
    cells::Field,
    options::{Format, UnloadStatement},
    parquet::ParquetFile,
    text,
};

/// How many slices write.
const SLICES: u64 = 2;

/// A file that is complete, and not in its place yet.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) key: String,
    pub(super) slice: u64,
    pub(super) bytes: u64,
    /// Rows, and the header among them.
    pub(super) lines: u64,
    pub(super) draft: TempPath,
}

/// Rows on their way into files.
pub(super) struct Files {
    unload: UnloadStatement,
    storage: Arc<dyn Storage>,
    fields: Vec<Field>,
    /// Which values of a row name its folder, and which go into its file.
    keys: Vec<usize>,
    kept: Vec<usize>,
    schema: Option<SchemaRef>,
    rows: u64,
    /// By folder and slice.
    open: BTreeMap<(String, u64), Open>,
    parts: BTreeMap<(String, u64), u64>,
    done: Vec<Written>,
}

struct Open {
    draft: TempPath,
    body: Body,
    lines: u64,
}

enum Body {
    Text { out: Box<Compressor<Counted>>, written: Arc<AtomicU64> },
    Parquet(Box<ParquetFile>),
}

struct Counted {
    file: File,
    written: Arc<AtomicU64>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Files {
    pub(super) fn new(unload: UnloadStatement, storage: Arc<dyn Storage>, fields: Vec<Field>) -> Self {
        let place = |name: &String| fields.iter().position(|field| field.name == *name);
        let keys: Vec<usize> = unload.partitions.iter().filter_map(place).collect();
        let kept = (0..fields.len()).filter(|at| unload.include || !keys.contains(at)).collect();
        Self {
            unload,
            storage,
            fields,
            keys,
            kept,
            schema: None,
            rows: 0,
            open: BTreeMap::new(),
            parts: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    pub(super) fn with_schema(mut self, schema: SchemaRef) -> Self {
        self.schema = Some(schema);
        self
    }

    /// The columns of the rows.
    pub(super) fn all(&self) -> Vec<Field> {
        self.fields.clone()
    }

    /// The columns of the files.
    pub(super) fn kept(&self) -> Vec<Field> {
        self.kept.iter().map(|at| self.fields[*at].clone()).collect()
    }

    pub(super) fn push(&mut self, mut row: Vec<Option<String>>) -> io::Result<()> {
        let slice = if self.unload.parallel { self.rows % SLICES } else { 0 };
        self.rows += 1;
        let folder = self.keys.iter().map(|at| folder(&self.fields[*at].name, row[*at].as_deref())).collect::<String>();
        let row: Vec<_> = self.kept.iter().map(|at| row[*at].take()).collect();
        let at = (folder, slice);
        if !self.open.contains_key(&at) {
            let open = self.create()?;
            self.open.insert(at.clone(), open);
        }
        let fields = self.kept();
        let Some(open) = self.open.get_mut(&at) else { return Ok(()) };
        open.lines += 1;
        let size = match &mut open.body {
            Body::Parquet(file) => {
                file.push(row)?;
                file.size()
            }
            Body::Text { out, written } => {
                let mut line = Vec::new();
                text::line(&self.unload, &fields, &row, &mut line)
                    .map_err(|_| io::Error::other("Fixed width column is too narrow for its value"))?;
                out.write_all(&line)?;
                written.load(Ordering::Relaxed)
            }
        };
        if size >= self.unload.max_file_size {
            self.close(&at)?;
        }
        Ok(())
    }

    /// All files, by name.
    pub(super) fn finish(mut self) -> io::Result<Vec<Written>> {
        // Text has its files even without rows; other formats have none.
        let text = matches!(self.unload.format, Format::Text | Format::Csv | Format::FixedWidth(_));
        if text && self.rows < SLICES && self.keys.is_empty() {
            let slices = if self.unload.parallel { SLICES } else { 1 };
            for slice in self.rows..slices {
                let open = self.create()?;
                self.open.insert((String::new(), slice), open);
            }
        }
        while let Some(at) = self.open.keys().next().cloned() {
            self.close(&at)?;
        }
        self.done.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(self.done)
    }

    fn create(&self) -> io::Result<Open> {
        // One handle, and none once it is written: partitions are many.
        let (file, draft) = self.storage.draft()?.into_parts();
        let mut lines = 0;
        let body = match &self.schema {
            Some(schema) => Body::Parquet(Box::new(ParquetFile::new(file, Arc::clone(schema))?)),
            None => {
                let written = Arc::new(AtomicU64::new(0));
                let counted = Counted { file, written: Arc::clone(&written) };
                let mut out = Compressor::new(counted, self.unload.compression)?;
                if self.unload.header {
                    out.write_all(&text::header(&self.unload, &self.kept()))?;
                    lines = 1;
                }
                Body::Text { out: Box::new(out), written }
            }
        };
        Ok(Open { draft, body, lines })
    }

    fn close(&mut self, at: &(String, u64)) -> io::Result<()> {
        let Some(Open { draft, body, lines }) = self.open.remove(at) else { return Ok(()) };
        match body {
            Body::Parquet(file) => file.finish()?,
            Body::Text { out, .. } => out.finish()?.flush()?,
        }
        let part = self.parts.entry(at.clone()).or_default();
        let name = if self.unload.parallel { format!("{:04}_part_{part:02}", at.1) } else { format!("{part:03}") };
        *part += 1;
        let bytes = std::fs::metadata(&draft)?.len();
        let key = format!("{}{}{name}{}", self.prefix(), at.0, self.extension());
        self.done.push(Written { key, slice: at.1, bytes, lines, draft });
        Ok(())
    }

    fn prefix(&self) -> String {
        prefix(&self.unload)
    }

    fn extension(&self) -> String {
        match (&self.unload.extension, self.unload.compression) {
            (Some(extension), _) => format!(".{extension}"),
            (None, _) if self.unload.format == Format::Parquet => ".parquet".to_owned(),
            (None, Compression::Gzip) => ".gz".to_owned(),
            (None, Compression::Bzip2) => ".bz2".to_owned(),
            (None, Compression::Zstd) => ".zst".to_owned(),
            (None, Compression::None) => String::new(),
        }
    }
}

/// The beginning of every key. Partitions are folders, so that a slash is added.
pub(super) fn prefix(unload: &UnloadStatement) -> String {
    let key = &unload.destination.key;
    let slash = !unload.partitions.is_empty() && !key.is_empty() && !key.ends_with('/');
    if slash { format!("{key}/") } else { key.clone() }
}

fn folder(name: &str, value: Option<&str>) -> String {
    // As Hive does: what is special in a path is written as its number.
    let plain = |text: &str| {
        let special = |c: char| c.is_control() || "\"#%'*/:=?\\{[]^".contains(c);
        text.chars()
            .map(|c| if special(c) { format!("%{:02X}", u32::from(c)) } else { c.to_string() })
            .collect::<String>()
    };
    format!("{}={}/", plain(name), value.map_or_else(|| "__HIVE_DEFAULT_PARTITION__".to_owned(), plain))
}
