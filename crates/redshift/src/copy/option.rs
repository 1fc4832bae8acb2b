//! What the files are, and what is done with what they hold.

use std::borrow::Cow;

use twinhouse_core::Result;
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

/// Which field of a file goes into which column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldMapping {
    /// By name; the file must spell the columns in lower case.
    #[default]
    Auto,
    /// By name, whatever the case.
    AutoIgnoreCase,
    /// By the paths in the JSONPaths file at this URL, one for each column.
    Paths(String),
    /// Nothing is taken apart: each document goes whole into the one SUPER column. JSON only.
    NoShred,
}

/// How much a shape may be simplified to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Simplify {
    /// All shapes, within this tolerance.
    All(f64),
    /// Those that are too large, as far as needed.
    Auto,
    /// Those that are too large, within this tolerance.
    AutoWithin(f64),
}

/// What the files are.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum CopyFormat {
    /// Lines of values with `|` between them, or what [`CopyOption::Delimiter`] says.
    #[default]
    Text,
    /// Comma-separated values, quoted where needed.
    Csv,
    /// Columns of fixed widths in characters, each with its label.
    FixedWidth(Vec<(String, u32)>),
    /// JSON documents, one after the other.
    Json(FieldMapping),
    /// Avro.
    Avro(FieldMapping),
    /// Apache Parquet. Columns go by position.
    Parquet,
    /// Apache ORC. Columns go by position.
    Orc,
    /// Shapes; the table's first column is the geometry.
    Shapefile(Option<Simplify>),
}

impl CopyFormat {
    /// The word of the grammar.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Text => "DELIMITED",
            Self::Csv => "CSV",
            Self::FixedWidth(_) => "FIXEDWIDTH",
            Self::Json(_) => "JSON",
            Self::Avro(_) => "AVRO",
            Self::Parquet => "PARQUET",
            Self::Orc => "ORC",
            Self::Shapefile(_) => "SHAPEFILE",
        }
    }

    pub(super) fn is_columnar(&self) -> bool {
        matches!(self, Self::Parquet | Self::Orc)
    }

    /// The clause; none for delimited text.
    pub(super) fn to_sql(&self) -> Result<String> {
        let mapped = |word: &str, mapping: &FieldMapping| {
            let how = match mapping {
                FieldMapping::Auto => "auto",
                FieldMapping::AutoIgnoreCase => "auto ignorecase",
                FieldMapping::Paths(url) => super::s3_url(url)?,
                FieldMapping::NoShred => "noshred",
            };
            Ok(format!("FORMAT AS {word} {}", RedshiftDialect.string(how)?))
        };
        Ok(match self {
            Self::Text => String::new(),
            Self::Csv | Self::Parquet | Self::Orc => format!("FORMAT AS {}", self.word()),
            Self::FixedWidth(columns) => {
                let columns: Vec<_> = columns.iter().map(|(label, width)| format!("{label}:{width}")).collect();
                format!("FIXEDWIDTH AS {}", RedshiftDialect.string(&columns.join(","))?)
            }
            Self::Json(mapping) => return mapped("JSON", mapping),
            Self::Avro(mapping) => return mapped("AVRO", mapping),
            Self::Shapefile(None) => "FORMAT AS SHAPEFILE".to_owned(),
            Self::Shapefile(Some(Simplify::Auto)) => "FORMAT AS SHAPEFILE SIMPLIFY AUTO".to_owned(),
            Self::Shapefile(Some(Simplify::All(within))) => format!("FORMAT AS SHAPEFILE SIMPLIFY {within}"),
            Self::Shapefile(Some(Simplify::AutoWithin(within))) => {
                format!("FORMAT AS SHAPEFILE SIMPLIFY AUTO {within}")
            }
        })
    }
}

/// How files are compressed. Their names do not tell the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// gzip
    Gzip,
    /// bzip2
    Bzip2,
    /// lzop
    Lzop,
    /// Zstandard
    Zstd,
}

impl Compression {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Gzip => "GZIP",
            Self::Bzip2 => "BZIP2",
            Self::Lzop => "LZOP",
            Self::Zstd => "ZSTD",
        }
    }
}

/// The encoding of text files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8
    Utf8,
    /// UTF-16 with a byte order mark.
    Utf16,
    /// UTF-16, least byte first.
    Utf16Le,
    /// UTF-16, greatest byte first.
    Utf16Be,
}

/// Whether the server looks for column encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Presence {
    /// It does, by a sample of the rows.
    On,
    /// It does not.
    Off,
    /// It takes what suits the types, without a sample.
    Preset,
}

/// One option of a COPY, by the name that the grammar gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyOption {
    /// `DELIMITER`: one ASCII character between two values.
    Delimiter(char),
    /// `QUOTE`: one ASCII character around a value. CSV only.
    Quote(char),
    /// The files are compressed.
    Compressed(Compression),
    /// `REGION` of the bucket, where it is not the cluster's.
    Region(String),
    /// `SERIALIZETOJSON`: nested values go into SUPER columns. Parquet and ORC only.
    SerializeToJson,
    /// `ACCEPTANYDATE`: a date that is none becomes null.
    AcceptAnyDate,
    /// `ACCEPTINVCHARS`: each byte that is no UTF-8 is replaced by this character.
    AcceptInvalidChars(char),
    /// `BLANKSASNULL`: text of nothing but blanks becomes null.
    BlanksAsNull,
    /// `DATEFORMAT`: a pattern such as `MM/DD/YYYY`, or `auto`.
    DateFormat(String),
    /// `EMPTYASNULL`: empty text becomes null.
    EmptyAsNull,
    /// `ENCODING` of the files.
    Encoding(Encoding),
    /// `ESCAPE`: a backslash takes its meaning from what follows it. Delimited text only.
    Escape,
    /// `EXPLICIT_IDS`: the files hold the values of the identity column.
    ExplicitIds,
    /// `FILLRECORD`: columns that a row lacks at its end become null.
    FillRecord,
    /// `IGNOREBLANKLINES`
    IgnoreBlankLines,
    /// `IGNOREHEADER`: so many lines at the beginning of each file are skipped.
    IgnoreHeader(u32),
    /// `NULL AS`: this text is null.
    NullAs(String),
    /// `REMOVEQUOTES`: quotes around a value go. Delimited text only.
    RemoveQuotes,
    /// `ROUNDEC`: digits that a column has no room for are rounded, not cut.
    RoundDecimals,
    /// `TIMEFORMAT`: a pattern, `auto`, `epochsecs` or `epochmillisecs`.
    TimeFormat(String),
    /// `TRIMBLANKS`: blanks at the end of a VARCHAR go.
    TrimBlanks,
    /// `TRUNCATECOLUMNS`: text that is too long is cut.
    TruncateColumns,
    /// `COMPROWS`: how many rows the sample for column encodings has, 1000 or more.
    CompressionRows(u32),
    /// `COMPUPDATE`
    CompressionUpdate(Presence),
    /// `STATUPDATE`: whether statistics are brought up to date.
    StatisticsUpdate(bool),
    /// `MAXERROR`: from so many bad rows on the load fails, 0 to 100,000; fewer are left out. 0 and 1 mean the same.
    MaxErrors(u32),
    /// `IGNOREALLERRORS`: bad rows are left out, however many.
    IgnoreAllErrors,
    /// `NOLOAD`: the files are read and checked, nothing is loaded.
    NoLoad,
}

impl CopyOption {
    /// The word of the grammar.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Delimiter(_) => "DELIMITER",
            Self::Quote(_) => "QUOTE",
            Self::Compressed(how) => how.word(),
            Self::Region(_) => "REGION",
            Self::SerializeToJson => "SERIALIZETOJSON",
            Self::AcceptAnyDate => "ACCEPTANYDATE",
            Self::AcceptInvalidChars(_) => "ACCEPTINVCHARS",
            Self::BlanksAsNull => "BLANKSASNULL",
            Self::DateFormat(_) => "DATEFORMAT",
            Self::EmptyAsNull => "EMPTYASNULL",
            Self::Encoding(_) => "ENCODING",
            Self::Escape => "ESCAPE",
            Self::ExplicitIds => "EXPLICIT_IDS",
            Self::FillRecord => "FILLRECORD",
            Self::IgnoreBlankLines => "IGNOREBLANKLINES",
            Self::IgnoreHeader(_) => "IGNOREHEADER",
            Self::NullAs(_) => "NULL AS",
            Self::RemoveQuotes => "REMOVEQUOTES",
            Self::RoundDecimals => "ROUNDEC",
            Self::TimeFormat(_) => "TIMEFORMAT",
            Self::TrimBlanks => "TRIMBLANKS",
            Self::TruncateColumns => "TRUNCATECOLUMNS",
            Self::CompressionRows(_) => "COMPROWS",
            Self::CompressionUpdate(_) => "COMPUPDATE",
            Self::StatisticsUpdate(_) => "STATUPDATE",
            Self::MaxErrors(_) => "MAXERROR",
            Self::IgnoreAllErrors => "IGNOREALLERRORS",
            Self::NoLoad => "NOLOAD",
        }
    }

    pub(super) fn to_sql(&self) -> Result<String> {
        let text = |text: &str| RedshiftDialect.string(text);
        let argument: Cow<'_, str> = match self {
            Self::Delimiter(c) | Self::Quote(c) | Self::AcceptInvalidChars(c) => {
                format!("AS {}", text(&c.to_string())?).into()
            }
            Self::Region(value) | Self::DateFormat(value) | Self::TimeFormat(value) => {
                format!("AS {}", text(value)?).into()
            }
            Self::NullAs(value) => text(value)?.into(),
            Self::Encoding(encoding) => match encoding {
                Encoding::Utf8 => "AS UTF8".into(),
                Encoding::Utf16 => "AS UTF16".into(),
                Encoding::Utf16Le => "AS UTF16LE".into(),
                Encoding::Utf16Be => "AS UTF16BE".into(),
            },
            Self::IgnoreHeader(n) | Self::CompressionRows(n) | Self::MaxErrors(n) => n.to_string().into(),
            Self::CompressionUpdate(Presence::On) | Self::StatisticsUpdate(true) => "ON".into(),
            Self::CompressionUpdate(Presence::Off) | Self::StatisticsUpdate(false) => "OFF".into(),
            Self::CompressionUpdate(Presence::Preset) => "PRESET".into(),
            _ => return Ok(self.word().to_owned()),
        };
        Ok(format!("{} {argument}", self.word()))
    }
}
