//! Which options go with which files and sources, and why not.

use twinhouse_core::{Error, ErrorKind, Result};

use super::{CopyFormat, CopyOption, CopySource, FieldMapping, Simplify};

/// Options that files have whose lines are text.
const OF_LINES: &[&str] =
    &["DELIMITER", "QUOTE", "ESCAPE", "FILLRECORD", "IGNOREBLANKLINES", "IGNOREHEADER", "NULL AS", "REMOVEQUOTES"];
/// All that Parquet and ORC take.
const OF_COLUMNS: &[&str] = &["SERIALIZETOJSON", "ACCEPTINVCHARS", "FILLRECORD", "STATUPDATE", "EXPLICIT_IDS"];
const COMPRESSIONS: &[&str] = &["GZIP", "BZIP2", "LZOP", "ZSTD"];

/// Formats (none: all), options, and why they do not go together. The first row that fits counts.
const REFUSED: &[(&[&str], &[&str], &str)] = &[
    (&["CSV"], &["ESCAPE"], "in CSV a quote is doubled, not escaped"),
    (&["CSV"], &["REMOVEQUOTES"], "CSV takes its quotes off itself"),
    (&["DELIMITED"], &["QUOTE"], "delimited text has no quotes; say CSV"),
    (&["FIXEDWIDTH"], &["DELIMITER"], "columns of fixed width have nothing between them"),
    (&["FIXEDWIDTH"], &["QUOTE", "REMOVEQUOTES"], "columns of fixed width have no quotes"),
    (&["FIXEDWIDTH"], &["ESCAPE"], "columns of fixed width have nothing to escape"),
    (&["FIXEDWIDTH"], &["ENCODING"], "columns of fixed width are read as UTF-8 only"),
    (&["JSON"], &["DELIMITER", "QUOTE", "REMOVEQUOTES", "ESCAPE"], "JSON has its own quotes and escapes"),
    (&["JSON"], &["FILLRECORD", "IGNOREBLANKLINES", "NULL AS"], "JSON names its values and writes null as null"),
    (&["AVRO"], OF_LINES, "Avro has records, not lines"),
    (&["AVRO"], COMPRESSIONS, "Avro compresses inside of the file, and says so there"),
    (&["SHAPEFILE"], OF_LINES, "shapes have records, not lines"),
    (&["SHAPEFILE"], &["BZIP2", "LZOP", "ZSTD"], "shapes are compressed by gzip or not at all"),
    (&["PARQUET", "ORC"], COMPRESSIONS, "Parquet and ORC compress inside of the file, and say so there"),
    (&["PARQUET", "ORC"], &["REGION"], "Parquet and ORC are read in the cluster's own region only"),
    (&["PARQUET", "ORC"], &["MAXERROR", "IGNOREALLERRORS"], "the first error ends a load of Parquet or ORC"),
    (&["PARQUET", "ORC"], &["COMPUPDATE", "COMPROWS"], "a load of Parquet or ORC does not sample"),
    (&["PARQUET", "ORC"], &["NOLOAD"], "Parquet and ORC cannot be checked without loading them"),
];

pub(super) fn check(source: &CopySource, format: &CopyFormat, options: &[CopyOption]) -> Result<()> {
    of_format(format)?;
    of_source(source, format, options)?;
    let has = |word: &str| options.iter().any(|option| option.word() == word);
    for option in options {
        let word = option.word();
        if let Some((_, _, why)) =
            REFUSED.iter().find(|(formats, words, _)| formats.contains(&format.word()) && words.contains(&word))
        {
            return Err(refused(format.word(), word, why));
        }
        if format.is_columnar() && !OF_COLUMNS.contains(&word) {
            return Err(refused(format.word(), word, "Parquet and ORC are typed: there is no text to read"));
        }
        of_option(option, format)?;
    }
    if has("IGNOREALLERRORS") && has("MAXERROR") {
        return Err(refused("MAXERROR", "IGNOREALLERRORS", "either a number of errors ends the load, or none does"));
    }
    let delimiter = options.iter().find_map(|option| match option {
        CopyOption::Delimiter(c) => Some(*c),
        _ => None,
    });
    let quote = options.iter().find_map(|option| match option {
        CopyOption::Quote(c) => Some(*c),
        _ => None,
    });
    if *format == CopyFormat::Csv && delimiter.unwrap_or(',') == quote.unwrap_or('"') {
        return Err(refused("DELIMITER", "QUOTE", "one character cannot be both"));
    }
    Ok(())
}

fn of_format(format: &CopyFormat) -> Result<()> {
    match format {
        CopyFormat::FixedWidth(columns) => {
            let legal = |label: &str| !label.is_empty() && !label.contains([',', ':', '\0']);
            if columns.is_empty() || columns.iter().any(|(label, width)| *width == 0 || !legal(label)) {
                return Err(bad("each column of fixed width has a label without comma and colon, and a width above 0"));
            }
        }
        CopyFormat::Avro(FieldMapping::NoShred) => return Err(bad("only JSON is loaded without being taken apart")),
        CopyFormat::Shapefile(Some(Simplify::All(within) | Simplify::AutoWithin(within)))
            if !within.is_finite() || *within < 0.0 =>
        {
            return Err(bad("a tolerance is a number that is not negative"));
        }
        _ => {}
    }
    Ok(())
}

fn of_source(source: &CopySource, format: &CopyFormat, options: &[CopyOption]) -> Result<()> {
    let word = |option: &CopyOption| option.word();
    let any = |words: &[&str]| options.iter().map(word).find(|word| words.contains(word));
    match source {
        CopySource::S3(_) => {}
        CopySource::Manifest(_) => {
            if matches!(format, CopyFormat::Shapefile(_)) {
                return Err(refused("MANIFEST", format.word(), "the parts of a shapefile are found by its name"));
            }
        }
        CopySource::Ssh(_) | CopySource::Emr { .. } => {
            let name = if matches!(source, CopySource::Ssh(_)) { "SSH" } else { "EMR" };
            if format.is_columnar() || matches!(format, CopyFormat::Shapefile(_)) {
                return Err(refused(name, format.word(), "these files are read from S3 only"));
            }
            if let Some(option) = any(&["ZSTD"]) {
                return Err(refused(name, option, "Zstandard is read from S3 only"));
            }
            if let Some(option) = any(&["REGION"]).filter(|_| name == "EMR") {
                return Err(refused(name, option, "a cluster of EMR is in the same region"));
            }
        }
        CopySource::DynamoDb { .. } => {
            if *format != CopyFormat::Text {
                return Err(refused("READRATIO", format.word(), "a table of DynamoDB has no file format"));
            }
            if let Some(option) = any(OF_LINES).or_else(|| any(COMPRESSIONS)) {
                return Err(refused("READRATIO", option, "a table of DynamoDB has no lines of text"));
            }
            if let Some(option) = any(&["ACCEPTINVCHARS", "ENCODING"]) {
                return Err(refused("READRATIO", option, "DynamoDB holds UTF-8 only"));
            }
        }
    }
    Ok(())
}

fn of_option(option: &CopyOption, format: &CopyFormat) -> Result<()> {
    let within = |word: &'static str, fine: bool, why: &'static str| {
        if fine { Ok(()) } else { Err(bad(why).with_context("option", word)) }
    };
    let word = option.word();
    match option {
        CopyOption::Delimiter(c) | CopyOption::Quote(c) => {
            let fine = c.is_ascii() && !matches!(c, '\0' | '\n' | '\r');
            within(word, fine, "one ASCII character other than NUL and the ends of lines is needed")
        }
        CopyOption::AcceptInvalidChars(c) => within(word, c.is_ascii() && *c != '\0', "one ASCII character is needed"),
        CopyOption::NullAs(text) => {
            within(word, !text.contains(['\n', '\r']), "the text for null cannot hold the end of a line")
        }
        CopyOption::DateFormat(text) | CopyOption::TimeFormat(text) => {
            within(word, !text.is_empty(), "a pattern is needed, or `auto`")
        }
        CopyOption::Region(text) => {
            let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            within(word, !text.is_empty() && text.bytes().all(legal), "a region is called as in `eu-central-1`")
        }
        CopyOption::MaxErrors(n) => within(word, *n <= 100_000, "at most 100,000 errors can be let pass"),
        CopyOption::CompressionRows(n) => {
            within(word, (1000..=2_147_483_647).contains(n), "a sample has 1000 to 2,147,483,647 rows")
        }
        CopyOption::SerializeToJson if !format.is_columnar() => {
            Err(refused(format.word(), word, "only Parquet and ORC hold nested values"))
        }
        _ => Ok(()),
    }
}

fn bad(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

/// Two things that do not go together.
pub(super) fn refused(with: &'static str, option: &'static str, why: &'static str) -> Error {
    bad(why).with_context("option", option).with_context("with", with)
}
