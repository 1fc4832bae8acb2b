//! What the files are, and how they are written.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

use crate::copy::Compression;

/// The largest file, in MB: 6.2 GB.
const LARGEST: u32 = 6348;

/// What the files are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnloadFormat {
    /// Lines of values with `|` between them, or what [`UnloadOption::Delimiter`] says.
    #[default]
    Text,
    /// Comma-separated values, quoted where needed.
    Csv,
    /// Columns of fixed widths, each with its label. What is longer is not cut: the unload fails.
    FixedWidth(Vec<(String, u32)>),
    /// A document for each row.
    Json,
    /// Apache Parquet, compressed by Snappy.
    Parquet,
}

impl UnloadFormat {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Text => "DELIMITED",
            Self::Csv => "CSV",
            Self::FixedWidth(_) => "FIXEDWIDTH",
            Self::Json => "JSON",
            Self::Parquet => "PARQUET",
        }
    }

    pub(super) fn to_sql(&self) -> Result<String> {
        Ok(match self {
            Self::Text => String::new(),
            Self::FixedWidth(columns) => {
                let columns: Vec<_> = columns.iter().map(|(label, width)| format!("{label}:{width}")).collect();
                format!("FIXEDWIDTH AS {}", RedshiftDialect.string(&columns.join(","))?)
            }
            Self::Csv | Self::Json | Self::Parquet => format!("FORMAT AS {}", self.word()),
        })
    }
}

/// One option of an UNLOAD, by the name that the grammar gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnloadOption {
    /// `PARTITION BY`: a folder `column=value/` for each value of these columns.
    PartitionBy {
        /// They must be among the query's.
        columns: Vec<String>,
        /// Whether the files hold them too.
        include: bool,
    },
    /// `MANIFEST`: the list of the files, at the destination followed by `manifest`.
    Manifest {
        /// With columns, lengths and counts, so that a COPY of Parquet can use it.
        verbose: bool,
    },
    /// `HEADER`: a line of column names in each file.
    Header,
    /// `DELIMITER`: one ASCII character between two values.
    Delimiter(char),
    /// `ADDQUOTES`: quotes around each value. Delimited text only.
    AddQuotes,
    /// `ESCAPE`: a backslash before what would be read otherwise. Delimited text only.
    Escape,
    /// `NULL AS`: what null is written as; nothing unless set.
    NullAs(String),
    /// The files are compressed. Not by lzop.
    Compressed(Compression),
    /// `ENCRYPTED AUTO`, by the bucket's own key; with an id `KMS_KEY_ID … ENCRYPTED`, by that one.
    Encrypted {
        /// The id of a key of KMS.
        kms_key_id: Option<String>,
    },
    /// `ALLOWOVERWRITE`: files of the same names are replaced.
    AllowOverwrite,
    /// `CLEANPATH`: what is at the destination is deleted first, for good.
    CleanPath,
    /// `PARALLEL`: whether each slice writes files of its own. Off, rows keep the order of an `ORDER BY`.
    Parallel(bool),
    /// `MAXFILESIZE`, in MB, 5 to 6348.
    MaxFileSize(u32),
    /// `ROWGROUPSIZE`, in MB, 32 to 128. Parquet only, on larger nodes only.
    RowGroupSize(u32),
    /// `REGION` of the bucket, where it is not the cluster's.
    Region(String),
    /// `EXTENSION` of the files' names. The server does not look whether it is true.
    Extension(String),
}

impl UnloadOption {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::PartitionBy { .. } => "PARTITION BY",
            Self::Manifest { .. } => "MANIFEST",
            Self::Header => "HEADER",
            Self::Delimiter(_) => "DELIMITER",
            Self::AddQuotes => "ADDQUOTES",
            Self::Escape => "ESCAPE",
            Self::NullAs(_) => "NULL AS",
            Self::Compressed(how) => how.word(),
            Self::Encrypted { .. } => "ENCRYPTED",
            Self::AllowOverwrite => "ALLOWOVERWRITE",
            Self::CleanPath => "CLEANPATH",
            Self::Parallel(_) => "PARALLEL",
            Self::MaxFileSize(_) => "MAXFILESIZE",
            Self::RowGroupSize(_) => "ROWGROUPSIZE",
            Self::Region(_) => "REGION",
            Self::Extension(_) => "EXTENSION",
        }
    }

    pub(super) fn to_sql(&self) -> Result<String> {
        let word = self.word();
        let text = |text: &str| RedshiftDialect.string(text);
        Ok(match self {
            Self::PartitionBy { columns, include } => {
                let columns = columns.iter().map(|name| RedshiftDialect.quote(name)).collect::<Result<Vec<_>>>()?;
                format!("{word} ({}){}", columns.join(", "), if *include { " INCLUDE" } else { "" })
            }
            Self::Manifest { verbose } => format!("{word}{}", if *verbose { " VERBOSE" } else { "" }),
            Self::Delimiter(c) => format!("{word} AS {}", text(&c.to_string())?),
            Self::NullAs(value) => format!("{word} {}", text(value)?),
            Self::Region(value) => format!("{word} AS {}", text(value)?),
            Self::Extension(value) => format!("{word} {}", text(value)?),
            Self::Encrypted { kms_key_id: Some(id) } => format!("KMS_KEY_ID {} {word}", text(id)?),
            Self::Encrypted { kms_key_id: None } => format!("{word} AUTO"),
            Self::Parallel(on) => format!("{word} {}", if *on { "ON" } else { "OFF" }),
            Self::MaxFileSize(mb) | Self::RowGroupSize(mb) => format!("{word} AS {mb} MB"),
            Self::Header
            | Self::AddQuotes
            | Self::Escape
            | Self::Compressed(_)
            | Self::AllowOverwrite
            | Self::CleanPath => word.to_owned(),
        })
    }
}

/// Formats, options, and why they do not go together.
const REFUSED: &[(&[&str], &[&str], &str)] = &[
    (&["PARQUET"], &["GZIP", "BZIP2", "ZSTD"], "Parquet compresses inside of the file, always by Snappy"),
    (&["PARQUET", "JSON"], &["HEADER"], "the files name their columns themselves"),
    (&["PARQUET", "JSON"], &["DELIMITER"], "there is nothing between two values"),
    (&["PARQUET", "JSON"], &["NULL AS"], "the format has a null of its own"),
    (&["PARQUET", "JSON", "CSV"], &["ADDQUOTES"], "the format quotes its values as it needs"),
    (&["PARQUET", "JSON", "CSV"], &["ESCAPE"], "the format escapes its values as it needs"),
    (&["FIXEDWIDTH"], &["HEADER"], "columns of fixed width have no header"),
    (&["FIXEDWIDTH"], &["DELIMITER"], "columns of fixed width have nothing between them"),
    (&["FIXEDWIDTH"], &["ADDQUOTES", "ESCAPE"], "columns of fixed width have nothing to quote or to escape"),
    (&["DELIMITED", "CSV", "FIXEDWIDTH", "JSON"], &["ROWGROUPSIZE"], "only Parquet has row groups"),
];

pub(super) fn check(format: &UnloadFormat, options: &[UnloadOption]) -> Result<()> {
    let bad = |why: &'static str, option: &'static str| {
        Err(Error::new(ErrorKind::InvalidInput, why).with_context("option", option))
    };
    if let UnloadFormat::FixedWidth(columns) = format {
        let legal = |label: &str| !label.is_empty() && !label.contains([',', ':', '\0']);
        if columns.is_empty() || columns.iter().any(|(label, width)| *width == 0 || !legal(label)) {
            return bad(
                "each column of fixed width has a label without comma and colon, and a width above 0",
                "FIXEDWIDTH",
            );
        }
    }
    let has = |word: &str| options.iter().any(|option| option.word() == word);
    for option in options {
        let word = option.word();
        let refused =
            REFUSED.iter().find(|(formats, words, _)| formats.contains(&format.word()) && words.contains(&word));
        if let Some((_, _, why)) = refused {
            return bad(why, word).map_err(|error| error.with_context("with", format.word()));
        }
        match option {
            UnloadOption::PartitionBy { columns, .. } => {
                let twice = (1..columns.len()).any(|i| columns[..i].contains(&columns[i]));
                if columns.is_empty() || twice {
                    return bad("partitions need columns, each named once", word);
                }
            }
            UnloadOption::Compressed(Compression::Lzop) => return bad("the server does not write lzop", word),
            UnloadOption::Delimiter(c) if !c.is_ascii() || matches!(c, '\0' | '\n' | '\r') => {
                return bad("one ASCII character other than NUL and the ends of lines is needed", word);
            }
            UnloadOption::NullAs(text) if text.contains(['\n', '\r']) => {
                return bad("the text for null cannot hold the end of a line", word);
            }
            UnloadOption::MaxFileSize(mb) if !(5..=LARGEST).contains(mb) => {
                return bad("a file may have 5 to 6348 MB", word);
            }
            UnloadOption::RowGroupSize(mb) if !(32..=128).contains(mb) => {
                return bad("a row group may have 32 to 128 MB", word);
            }
            UnloadOption::Region(text)
                if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') =>
            {
                return bad("a region is called as in `eu-central-1`", word);
            }
            UnloadOption::Extension(text) if text.is_empty() || text.contains('\0') => {
                return bad("an extension needs a text", word);
            }
            UnloadOption::Encrypted { kms_key_id: Some(id) } if id.is_empty() => {
                return bad("a key is named by its id", word);
            }
            _ => {}
        }
    }
    if has("ALLOWOVERWRITE") && has("CLEANPATH") {
        return bad("what is there is either replaced file by file or deleted before", "CLEANPATH")
            .map_err(|error| error.with_context("with", "ALLOWOVERWRITE"));
    }
    Ok(())
}
