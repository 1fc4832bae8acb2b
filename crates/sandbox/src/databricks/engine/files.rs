//! Files of a volume as a relation: what COPY INTO reads, and ``parquet.`/Volumes/…` `` in a query.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    catalog::TableProvider,
    datasource::{
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    execution::SessionState,
};
use url::Url;

use super::{Engine, volumes::VolumePath};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

/// One file of a source.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    /// Its path in the volume; the name under which COPY INTO remembers it.
    pub(super) memory: String,
    pub(super) local: PathBuf,
}

/// The path of ``parquet.`/Volumes/…` ``, if that is what a table's name says.
pub(super) fn parquet_path(path: &ObjectPath) -> Option<&str> {
    match path.0.as_slice() {
        [format, path] if format.eq_ignore_ascii_case("parquet") && path.starts_with('/') => Some(path),
        _ => None,
    }
}

pub(super) fn path_not_found(path: &str) -> SqlError {
    SqlError::new("PATH_NOT_FOUND", "42K03", format!("Path does not exist: dbfs:{path}."))
}

impl Engine {
    /// The files below a path of a volume, in the order of their names, without those that Spark passes over.
    pub(super) fn files_at(&self, path: &str) -> SqlResult<(VolumePath, Vec<SourceFile>)> {
        let path = VolumePath::parse(path)?;
        let root = self.local(&path)?;
        if !root.exists() {
            return Err(path_not_found(&path.text()));
        }
        let mut files = Vec::new();
        if !path.parts.iter().any(|part| is_hidden(part)) {
            if root.is_file() {
                files.push(SourceFile { memory: path.text(), local: root.clone() });
            } else {
                walk(&root, &path.text(), &mut files)?;
            }
        }
        files.sort_by(|a, b| a.memory.cmp(&b.memory));
        Ok((path, files))
    }

    /// The Parquet files below a path, as one relation.
    pub(super) async fn parquet_at(&self, path: &str, state: &SessionState) -> SqlResult<Arc<dyn TableProvider>> {
        let (path, files) = self.files_at(path)?;
        if files.is_empty() {
            let text =
                format!("Unable to infer schema for PARQUET at '{}'. It must be specified manually.", path.text());
            return Err(SqlError::new("UNABLE_TO_INFER_SCHEMA", "42KD9", text));
        }
        parquet(&files, state).await
    }
}

/// Spark passes over what begins with an underscore or a period.
fn is_hidden(name: &str) -> bool {
    name.starts_with('_') || name.starts_with('.')
}

fn walk(folder: &Path, text: &str, files: &mut Vec<SourceFile>) -> SqlResult<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if is_hidden(&name) {
            continue;
        }
        let text = format!("{text}/{name}");
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &text, files)?;
        } else {
            files.push(SourceFile { memory: text, local: entry.path() });
        }
    }
    Ok(())
}

/// The reader trusts the length that a footer claims.
fn check_footer(file: &SourceFile) -> SqlResult<()> {
    let whole = || -> std::io::Result<bool> {
        let mut end = [0; 8];
        let mut open = std::fs::File::open(&file.local)?;
        let length = open.metadata()?.len();
        if length < 12 {
            return Ok(false);
        }
        open.seek(SeekFrom::End(-8))?;
        open.read_exact(&mut end)?;
        let [a, b, c, d, magic @ ..] = end;
        Ok(&magic == b"PAR1" && u64::from(u32::from_le_bytes([a, b, c, d])) + 12 <= length)
    };
    if whole()? {
        return Ok(());
    }
    let text = format!("Error while reading file dbfs:{}: it is not a Parquet file.", file.memory);
    Err(SqlError::new("FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER", "KD001", text))
}

/// Parquet files as one relation.
pub(super) async fn parquet(files: &[SourceFile], state: &SessionState) -> SqlResult<Arc<dyn TableProvider>> {
    let urls = files
        .iter()
        .map(|file| {
            let url = Url::from_file_path(&file.local).map_err(|()| SqlError::internal("a file without a URL"))?;
            // Not parsed from text: an asterisk in a name is no pattern here.
            Ok(ListingTableUrl::try_new(url, None)?)
        })
        .collect::<SqlResult<Vec<_>>>()?;
    for file in files {
        check_footer(file)?;
    }
    let format = ParquetFormat::default().with_force_view_types(false).with_skip_metadata(true);
    let listing = ListingOptions::new(Arc::new(format)).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(listing);
    let unreadable = |error: datafusion::error::DataFusionError| {
        let name = files.first().map(|file| file.memory.as_str()).unwrap_or_default();
        let text = format!(
            "Error while reading file dbfs:{name}: {}.",
            error.strip_backtrace().lines().next().unwrap_or_default()
        );
        SqlError::new("FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER", "KD001", text)
    };
    let config = config.infer_schema(state).await.map_err(unreadable)?;
    Ok(Arc::new(ListingTable::try_new(config)?))
}
