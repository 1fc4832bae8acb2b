//! The formats of the files that COPY INTO reads, with their options.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::{
    catalog::{TableProvider, view::ViewTable},
    datasource::{
        file_format::{FileFormat, csv::CsvFormat, file_compression_type::FileCompressionType, json::JsonFormat},
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
        provider_as_source,
    },
    execution::SessionState,
    functions::core::expr_fn::nullif,
    logical_expr::{LogicalPlanBuilder, cast, ident, lit},
};
use url::Url;

use super::files::{SourceFile, parquet};
use crate::databricks::error::{SqlError, SqlResult};

/// How many rows are looked at to learn the columns of a text file.
const ROWS_TO_INFER: usize = 1_000_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Format {
    Parquet,
    Csv(Csv),
    Json {
        /// The file is one list of objects, not an object in each line.
        multi_line: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Csv {
    pub(super) header: bool,
    delimiter: u8,
    quote: u8,
    escape: u8,
    comment: Option<u8>,
    null: String,
    infer: bool,
    multi_line: bool,
}

impl Format {
    /// Reads `FILEFORMAT` and `FORMAT_OPTIONS`.
    pub(super) fn new(name: &str, options: &[(String, String)]) -> SqlResult<Self> {
        let mut csv = Csv {
            header: false,
            delimiter: b',',
            quote: b'"',
            escape: b'\\',
            comment: None,
            null: String::new(),
            infer: false,
            multi_line: false,
        };
        let mut json_lines = true;
        for (key, value) in options {
            let unknown = || SqlError::unsupported(format_args!("the format option {key} = {value} for {name}"));
            match (name, key.to_ascii_lowercase().as_str()) {
                // The schemas of all files are always looked at.
                (_, "mergeschema") => {
                    truth(key, value)?;
                }
                (_, "ignorecorruptfiles" | "ignoremissingfiles") if !truth(key, value)? => {}
                ("CSV", "header") => csv.header = truth(key, value)?,
                ("CSV", "inferschema") => csv.infer = truth(key, value)?,
                ("CSV", "multiline") => csv.multi_line = truth(key, value)?,
                ("CSV", "sep" | "delimiter") => csv.delimiter = byte(key, value)?,
                ("CSV", "quote") => csv.quote = byte(key, value)?,
                ("CSV", "escape") => csv.escape = byte(key, value)?,
                ("CSV", "comment") => csv.comment = Some(byte(key, value)?),
                ("CSV", "nullvalue") => csv.null.clone_from(value),
                ("JSON", "multiline") => json_lines = !truth(key, value)?,
                // Dates and numbers are always inferred as JSON has them.
                ("JSON", "inferschema") if truth(key, value)? => {}
                ("CSV" | "JSON", "encoding" | "charset") if value.eq_ignore_ascii_case("UTF-8") => {}
                ("CSV" | "JSON", "mode") if value.eq_ignore_ascii_case("FAILFAST") => {}
                _ => return Err(unknown()),
            }
        }
        match name {
            "PARQUET" => Ok(Self::Parquet),
            "CSV" => Ok(Self::Csv(csv)),
            "JSON" => Ok(Self::Json { multi_line: !json_lines }),
            _ => Err(SqlError::unsupported(format_args!("COPY INTO with FILEFORMAT = {name}"))),
        }
    }

    /// The files as one relation.
    pub(super) async fn relation(
        &self,
        files: &[SourceFile],
        state: &SessionState,
    ) -> SqlResult<Arc<dyn TableProvider>> {
        let compression = compression(files)?;
        let csv = match self {
            Self::Parquet => return parquet(files, state).await,
            Self::Json { multi_line } => {
                let format = JsonFormat::default()
                    .with_schema_infer_max_rec(ROWS_TO_INFER)
                    .with_newline_delimited(!multi_line)
                    .with_file_compression_type(compression);
                let format: Arc<dyn FileFormat> = Arc::new(format);
                let schema = infer(files, &format, state).await?;
                return listed(files, format, schema, "");
            }
            Self::Csv(csv) => csv,
        };
        if csv.infer && !csv.null.is_empty() {
            return Err(SqlError::unsupported("the format options inferSchema and nullValue together"));
        }
        let format = CsvFormat::default()
            .with_has_header(csv.header)
            .with_delimiter(csv.delimiter)
            .with_quote(csv.quote)
            .with_escape((csv.escape != csv.quote).then_some(csv.escape))
            .with_comment(csv.comment)
            .with_newlines_in_values(csv.multi_line)
            .with_truncated_rows(true)
            .with_schema_infer_max_rec(ROWS_TO_INFER)
            .with_file_compression_type(compression);
        let format: Arc<dyn FileFormat> = Arc::new(format);
        let mut columns: Option<SchemaRef> = None;
        for file in files {
            let found = infer(std::slice::from_ref(file), &format, state).await?;
            if let Some(first) = &columns
                && names(first) != names(&found)
            {
                return Err(SqlError::unsupported("a query over CSV files whose columns differ"));
            }
            columns = Some(match columns {
                Some(first) => wider(&first, &found),
                None => found,
            });
        }
        let columns = columns.ok_or_else(|| SqlError::internal("no files"))?;
        let fields: Vec<Field> = columns
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let name = if csv.header { field.name().clone() } else { format!("_c{index}") };
                Field::new(name, if csv.infer { inferred(field.data_type()) } else { DataType::Utf8 }, true)
            })
            .collect();
        listed(files, format, Arc::new(Schema::new(fields)), &csv.null)
    }
}

pub(super) fn truth(key: &str, value: &str) -> SqlResult<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SqlError::new("INVALID_PARAMETER_VALUE", "22023", format!("The option {key} must be true or false."))),
    }
}

fn byte(key: &str, value: &str) -> SqlResult<u8> {
    match (value.as_bytes(), value) {
        ([byte], _) if byte.is_ascii() => Ok(*byte),
        (_, "\\t") => Ok(b'\t'),
        _ => Err(SqlError::unsupported(format_args!("the format option {key} with anything but one ASCII character"))),
    }
}

/// Files are packed by their endings, all in one way.
fn compression(files: &[SourceFile]) -> SqlResult<FileCompressionType> {
    let ending = |file: &SourceFile| match file.memory.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()) {
        Some(ending) if ending == "gz" => FileCompressionType::GZIP,
        Some(ending) if ending == "bz2" => FileCompressionType::BZIP2,
        _ => FileCompressionType::UNCOMPRESSED,
    };
    let first = files.first().map_or(FileCompressionType::UNCOMPRESSED, ending);
    if files.iter().any(|file| ending(file) != first) {
        return Err(SqlError::unsupported("files that are packed in different ways"));
    }
    Ok(first)
}

fn names(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().to_lowercase()).collect()
}

/// The columns of two files: what differs is text.
fn wider(first: &SchemaRef, second: &SchemaRef) -> SchemaRef {
    let wider = |(a, b): (&Arc<Field>, &Arc<Field>)| {
        let both = match (a.data_type(), b.data_type()) {
            (a, b) if a == b || b.is_null() => a.clone(),
            (a, b) if a.is_null() => b.clone(),
            (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
            _ => DataType::Utf8,
        };
        Field::new(a.name(), both, true)
    };
    Arc::new(Schema::new(first.fields().iter().zip(second.fields()).map(wider).collect::<Vec<_>>()))
}

/// What DataFusion infers from a text, in the service's types.
fn inferred(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Null => DataType::Utf8,
        other => other.clone(),
    }
}

fn urls(files: &[SourceFile]) -> SqlResult<Vec<ListingTableUrl>> {
    let url = |file: &SourceFile| {
        let url = Url::from_file_path(&file.local).map_err(|()| SqlError::internal("a file without a URL"))?;
        // Not parsed from text: an asterisk in a name is no pattern here.
        Ok(ListingTableUrl::try_new(url, None)?)
    };
    files.iter().map(url).collect()
}

async fn infer(files: &[SourceFile], format: &Arc<dyn FileFormat>, state: &SessionState) -> SqlResult<SchemaRef> {
    let options = ListingOptions::new(Arc::clone(format)).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls(files)?).with_listing_options(options);
    let config = config.infer_schema(state).await.map_err(|error| unreadable(files, &error))?;
    config.file_schema.ok_or_else(|| SqlError::internal("a file without columns"))
}

fn unreadable(files: &[SourceFile], error: &datafusion::error::DataFusionError) -> SqlError {
    let name = files.first().map(|file| file.memory.as_str()).unwrap_or_default();
    let what = error.strip_backtrace();
    let text = format!("Error while reading file dbfs:{name}: {}.", what.lines().next().unwrap_or_default());
    SqlError::new("FAILED_READ_FILE.NO_HINT", "KD001", text)
}

/// Files as a relation: moments in UTC, and NULL for the text that stands for it.
fn listed(
    files: &[SourceFile],
    format: Arc<dyn FileFormat>,
    schema: SchemaRef,
    null: &str,
) -> SqlResult<Arc<dyn TableProvider>> {
    let options = ListingOptions::new(format).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls(files)?).with_listing_options(options);
    // A moment is written without a zone.
    let read = |field: &Arc<Field>| match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => Field::new(field.name(), DataType::Timestamp(*unit, None), true),
        _ => field.as_ref().clone(),
    };
    let columns = |field: &Arc<Field>| match field.data_type() {
        DataType::Timestamp(_, Some(_)) => cast(ident(field.name()), field.data_type().clone()).alias(field.name()),
        DataType::Utf8 if !null.is_empty() => nullif(ident(field.name()), lit(null)).alias(field.name()),
        _ => ident(field.name()),
    };
    let read = Schema::new(schema.fields().iter().map(read).collect::<Vec<_>>());
    let table = Arc::new(ListingTable::try_new(config.with_schema(Arc::new(read)))?);
    let plan = LogicalPlanBuilder::scan("__files", provider_as_source(table), None)?;
    let plan = plan.project(schema.fields().iter().map(columns))?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
