//! The grammar of COPY.

use super::{
    super::{
        access::Authorization,
        lexer::{Kind, Lexed},
        options,
        report::Report,
    },
    authorization::{authorization, location},
    moment::{DateFormat, TimeFormat},
    source::Location,
};

/// What the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Csv,
    /// Delimited text.
    Text,
    /// The width of each field, in characters.
    FixedWidth(Vec<usize>),
    Json(Mapping),
}

/// Which member of a document goes into which column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    Auto,
    AutoIgnoreCase,
    /// By the paths of this file.
    Paths(Location),
    NoShred,
}

impl Format {
    /// As SYS_LOAD_HISTORY has it.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Csv => "CSV",
            Self::Text => "Text",
            Self::FixedWidth(_) => "Fixed width",
            Self::Json(_) => "JSON",
        }
    }
}

/// How files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Compression {
    None,
    Gzip,
    Bzip2,
    Zstd,
}

impl Compression {
    pub(in super::super) fn of(word: &str) -> Option<Self> {
        match word {
            "gzip" => Some(Self::Gzip),
            "bzip2" => Some(Self::Bzip2),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// A COPY that can be carried out.
#[derive(Clone, Debug)]
pub(in super::super) struct CopyStatement {
    /// As the engine takes it: quoted names folded.
    pub(super) table: String,
    /// Its last part, for messages.
    pub(super) name: String,
    pub(super) columns: Option<Vec<String>>,
    pub(super) source: Location,
    pub(super) authorization: Authorization,
    pub(super) format: Format,
    pub(super) manifest: bool,
    pub(super) compression: Compression,
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) ignore_header: usize,
    pub(super) ignore_blank_lines: bool,
    pub(super) null_as: String,
    pub(super) empty_as_null: bool,
    pub(super) blanks_as_null: bool,
    pub(super) fill_record: bool,
    pub(super) explicit_ids: bool,
    pub(super) serialize_to_json: bool,
    pub(super) escape: bool,
    pub(super) remove_quotes: bool,
    pub(super) trim_blanks: bool,
    pub(super) truncate_columns: bool,
    pub(super) round_decimals: bool,
    pub(super) accept_any_date: bool,
    /// Takes the place of each byte that is no UTF-8.
    pub(super) accept_invalid: Option<u8>,
    pub(super) date_format: DateFormat,
    pub(super) time_format: TimeFormat,
    /// From so many bad rows on the load fails; `None`: never.
    pub(super) max_errors: Option<usize>,
    pub(super) no_load: bool,
}

/// Options of the service that the sandbox does not carry out.
const ABSENT: &[&str] =
    &["lzop", "comprows", "encrypted", "master_symmetric_key", "ssh", "readratio", "job", "template"];
/// Options that a columnar COPY takes.
const COLUMNAR: &[&str] =
    &["manifest", "fillrecord", "statupdate", "explicit_ids", "serializetojson", "acceptinvchars"];
/// Options that a format does not take.
const REFUSED: &[(&str, &[&str])] = &[
    ("csv", &["escape", "removequotes"]),
    ("fixedwidth", &["delimiter", "quote", "escape", "removequotes"]),
    ("json", &["delimiter", "quote", "escape", "removequotes", "fillrecord", "ignoreblanklines", "null"]),
];

impl CopyStatement {
    pub(in super::super) fn parse(s: &Lexed<'_>) -> Result<Self, Report> {
        let end = s.after_name(1);
        if end == 1 && !(s.is_sign(1, '#') && s.is_name(2)) {
            return Err(Report::syntax(s.raw(1)));
        }
        let (table, name, mut at) = if end == 1 {
            (format!("\"#{}\"", s.name(2)), format!("#{}", s.name(2)), 3)
        } else {
            (table_of(s, 1..end), s.name(end - 1), end)
        };
        let columns = s.is_sign(at, '(').then(|| {
            let close = s.closing(at);
            let names = (at + 1..close).filter(|i| s.is_name(*i)).map(|i| s.name(i)).collect();
            at = close + 1;
            names
        });
        if !s.is(at, "from") || s.kind(at + 1) != Some(Kind::Literal) {
            return Err(Report::syntax(s.raw(at)));
        }
        let source = location(&s.value(at + 1))?;
        let mut copy = Self {
            table,
            name,
            columns,
            source,
            authorization: Authorization::Role(String::new()),
            format: Format::Text,
            manifest: false,
            compression: Compression::None,
            delimiter: b'|',
            quote: b'"',
            ignore_header: 0,
            ignore_blank_lines: false,
            null_as: "\\N".to_owned(),
            empty_as_null: false,
            blanks_as_null: false,
            fill_record: false,
            explicit_ids: false,
            serialize_to_json: false,
            escape: false,
            remove_quotes: false,
            trim_blanks: false,
            truncate_columns: false,
            round_decimals: false,
            accept_any_date: false,
            accept_invalid: None,
            date_format: DateFormat::Iso,
            time_format: TimeFormat::Iso,
            max_errors: Some(1),
            no_load: false,
        };
        copy.options(s, at + 2)?;
        Ok(copy)
    }

    fn options(&mut self, s: &Lexed<'_>, mut at: usize) -> Result<(), Report> {
        let mut seen: Vec<String> = Vec::new();
        let mut delimiter = None;
        let mut authorized = None;
        while at < s.len() {
            let word = s.raw(at).to_ascii_lowercase();
            if let Some((authorization, next)) = authorization(s, at)? {
                options::authorize(&mut authorized, authorization)?;
                at = next;
                continue;
            }
            let next = at + 1;
            let value = next + usize::from(s.is(next, "as"));
            let literal = s.kind(value) == Some(Kind::Literal);
            let number = || s.raw(value).parse::<usize>().map_err(|_| Report::syntax(s.raw(value)));
            at = match word.as_str() {
                "format" => self.format(s, value)?,
                "parquet" | "csv" | "orc" | "avro" | "json" | "shapefile" | "fixedwidth" => self.format(s, at)?,
                "quote" if literal => {
                    self.quote = one_byte(&s.value(value), "quote")?;
                    value + 1
                }
                "delimiter" if literal => {
                    delimiter = Some(one_byte(&s.value(value), "delimiter")?);
                    value + 1
                }
                "manifest" => options::flag(&mut self.manifest, next),
                "ignoreheader" => {
                    self.ignore_header = number()?;
                    value + 1
                }
                "null" if literal => {
                    self.null_as = s.value(value);
                    value + 1
                }
                "gzip" | "bzip2" | "zstd" => {
                    self.compression = Compression::of(&word).unwrap_or(Compression::None);
                    next
                }
                "acceptinvchars" => {
                    self.accept_invalid =
                        Some(if literal { one_byte(&s.value(value), "acceptinvchars")? } else { b'?' });
                    if literal { value + 1 } else { next }
                }
                "maxerror" => {
                    let most = number()?;
                    if most > 100_000 {
                        return Err(Report::error("22023", "MAXERROR must be between 0 and 100000"));
                    }
                    self.max_errors = Some(most.max(1));
                    value + 1
                }
                "ignoreallerrors" => {
                    self.max_errors = None;
                    next
                }
                "dateformat" if literal => {
                    self.date_format = DateFormat::of(&s.value(value))?;
                    value + 1
                }
                "timeformat" if literal => {
                    self.time_format = TimeFormat::of(&s.value(value))?;
                    value + 1
                }
                "encoding" => {
                    if !s.is(value, "utf8") {
                        return Err(Report::not_in_sandbox(&format!(
                            "COPY … ENCODING {}",
                            s.raw(value).to_uppercase()
                        )));
                    }
                    value + 1
                }
                "emptyasnull" => options::flag(&mut self.empty_as_null, next),
                "blanksasnull" => options::flag(&mut self.blanks_as_null, next),
                "fillrecord" => options::flag(&mut self.fill_record, next),
                "explicit_ids" => options::flag(&mut self.explicit_ids, next),
                "serializetojson" => options::flag(&mut self.serialize_to_json, next),
                "ignoreblanklines" => options::flag(&mut self.ignore_blank_lines, next),
                "escape" => options::flag(&mut self.escape, next),
                "removequotes" => options::flag(&mut self.remove_quotes, next),
                "trimblanks" => options::flag(&mut self.trim_blanks, next),
                "truncatecolumns" => options::flag(&mut self.truncate_columns, next),
                "roundec" => options::flag(&mut self.round_decimals, next),
                "acceptanydate" => options::flag(&mut self.accept_any_date, next),
                "noload" => options::flag(&mut self.no_load, next),
                "compupdate" | "statupdate" => {
                    next + usize::from(s.is_any(next, &["on", "off", "true", "false", "preset"]))
                }
                "region" if literal => value + 1,
                _ if ABSENT.contains(&word.as_str()) => {
                    seen.push(word);
                    break;
                }
                _ => return Err(Report::syntax(s.raw(at))),
            };
            seen.push(word);
        }
        self.delimiter = options::delimiter(delimiter, self.format == Format::Csv);
        self.check(&seen)?;
        self.authorization = options::authorized(authorized)?;
        Ok(())
    }

    /// Reads the format at `at`; answers the index behind it.
    fn format(&mut self, s: &Lexed<'_>, at: usize) -> Result<usize, Report> {
        let word = s.raw(at).to_ascii_lowercase();
        let value = at + 1 + usize::from(s.is(at + 1, "as"));
        let argument = (s.kind(value) == Some(Kind::Literal)).then(|| s.value(value));
        self.format = match word.as_str() {
            "parquet" => Format::Parquet,
            "csv" => Format::Csv,
            "fixedwidth" => Format::FixedWidth(options::widths(&argument.unwrap_or_default())?),
            "json" => Format::Json(match argument.ok_or_else(|| Report::syntax(s.raw(value)))?.as_str() {
                "auto" => Mapping::Auto,
                "auto ignorecase" => Mapping::AutoIgnoreCase,
                "noshred" => Mapping::NoShred,
                url => Mapping::Paths(location(url)?),
            }),
            "orc" | "avro" | "shapefile" => {
                return Err(Report::not_in_sandbox(&format!("COPY FORMAT {}", word.to_uppercase())));
            }
            _ => return Err(Report::syntax(s.raw(at))),
        };
        Ok(if matches!(self.format, Format::Parquet | Format::Csv) { at + 1 } else { value + 1 })
    }

    fn check(&self, seen: &[String]) -> Result<(), Report> {
        let has = |word: &str| seen.iter().any(|seen| seen == word);
        let not_with = |option: &str, format: &str| {
            Err(Report::unsupported(format!("{option} is not compatible with {format}")).with_routine("DoCopy"))
        };
        if self.format == Format::Parquet {
            let allowed =
                |word: &&String| COLUMNAR.contains(&word.as_str()) || matches!(word.as_str(), "format" | "parquet");
            if let Some(word) = seen.iter().find(|word| !allowed(word)) {
                let word = word.to_uppercase();
                return Err(Report::unsupported(format!("{word} argument is not supported for PARQUET based COPY"))
                    .with_routine("DoCopy"));
            }
            if has("acceptinvchars") {
                return Err(Report::not_in_sandbox("ACCEPTINVCHARS of a columnar COPY"));
            }
        } else if has("serializetojson") {
            return Err(
                Report::unsupported("SERIALIZETOJSON is only supported for columnar COPY").with_routine("DoCopy")
            );
        }
        if has("quote") && self.format != Format::Csv {
            return Err(Report::unsupported("COPY quote available only in CSV mode").with_routine("DoCopy"));
        }
        let format = match self.format {
            Format::Csv => "csv",
            Format::FixedWidth(_) => "fixedwidth",
            Format::Json(_) => "json",
            Format::Parquet | Format::Text => "",
        };
        let refused = REFUSED.iter().filter(|(name, _)| *name == format).flat_map(|(_, words)| words.iter());
        if let Some(word) = refused.into_iter().find(|word| has(word)) {
            return not_with(&word.to_uppercase(), &format.to_uppercase());
        }
        if has("maxerror") && has("ignoreallerrors") {
            return not_with("MAXERROR", "IGNOREALLERRORS");
        }
        match ABSENT.iter().find(|word| has(word)) {
            Some(word) => Err(Report::not_in_sandbox(&format!("COPY … {}", word.to_uppercase()))),
            None => Ok(()),
        }
    }
}

fn one_byte(text: &str, what: &str) -> Result<u8, Report> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(Report::unsupported(format!("COPY {what} must be a single ASCII character")).with_routine("DoCopy")),
    }
}

/// The name as the engine reads it, quoted where it was.
fn table_of(s: &Lexed<'_>, range: std::ops::Range<usize>) -> String {
    range
        .map(|i| match s.kind(i) {
            Some(Kind::Quoted) => format!("\"{}\"", s.name(i).replace('"', "\"\"")),
            _ => s.raw(i).to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::super::lexer::tokens, *};

    fn parse(sql: &str) -> Result<CopyStatement, Report> {
        let tokens = tokens(sql);
        CopyStatement::parse(&Lexed::new(sql, &tokens))
    }

    #[test]
    fn the_forms_that_clients_send_are_read() {
        let sql = "copy \"Sch\".\"T\" (\"A\", b) from 's3://bucket/load/x.manifest' \
                   iam_role 'arn:aws:iam::1:role/r' format as parquet manifest";
        let copy = parse(sql).expect("read");
        assert_eq!(copy.table, "\"sch\".\"t\"");
        assert_eq!(copy.columns, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!((copy.source.bucket.as_str(), copy.source.key.as_str()), ("bucket", "load/x.manifest"));
        assert!(copy.manifest && copy.format == Format::Parquet);
        assert!(matches!(copy.authorization, Authorization::Role(role) if role == "arn:aws:iam::1:role/r"));

        let copy =
            parse("copy t from 's3://b/k' access_key_id 'a' secret_access_key 's' csv quote as '%' ignoreheader 1");
        let copy = copy.expect("read");
        assert_eq!((copy.format, copy.quote, copy.delimiter, copy.ignore_header), (Format::Csv, b'%', b',', 1));
        let copy = parse("copy t from 's3://b/k' with credentials as 'aws_access_key_id=a;aws_secret_access_key=s=='");
        assert!(matches!(
            copy.expect("read").authorization,
            Authorization::Keys { id, secret } if id == "a" && secret.expose() == "s=="
        ));
    }

    #[test]
    fn what_a_columnar_copy_does_not_take_is_refused() {
        for option in
            ["region 'eu-west-1'", "maxerror 5", "gzip", "compupdate off", "null as 'x'", "delimiter ','", "noload"]
        {
            let report = parse(&format!("copy t from 's3://b/k' iam_role default format parquet {option}"));
            let report = report.expect_err(option);
            assert_eq!(report.code, "0A000", "{option}");
            assert!(report.message.ends_with("argument is not supported for PARQUET based COPY"), "{}", report.message);
        }
        assert!(parse("copy t from 's3://b/k' iam_role default format parquet statupdate on").is_ok());
        for options in [
            "csv escape",
            "json 'auto' null as 'x'",
            "fixedwidth 'a:1' delimiter ','",
            "csv maxerror 3 ignoreallerrors",
        ] {
            let report = parse(&format!("copy t from 's3://b/k' iam_role default {options}")).expect_err(options);
            assert!(
                report.code == "0A000" && report.message.contains("not compatible"),
                "{options}: {}",
                report.message
            );
        }
    }

    #[test]
    fn what_only_the_sandbox_lacks_says_so() {
        for sql in [
            "copy t from 's3://b/k' iam_role default format avro 'auto'",
            "copy t from 's3://b/k' iam_role default csv lzop",
            "copy t from 's3://b/k' iam_role default csv encoding utf16",
            "copy t from 'emr://c/k' iam_role default",
        ] {
            let report = parse(sql).expect_err(sql);
            assert!(
                report.code == "0A000" && report.message.ends_with("supported by the sandbox"),
                "{sql}: {report:?}"
            );
        }
        assert!(parse("copy t from 's3://b/k' format parquet").is_err_and(|r| r.message.starts_with("CREDENTIALS")));
        assert!(
            parse("copy t from '/etc/passwd' iam_role default").is_err_and(|r| r.message.starts_with("LOAD source"))
        );
    }
}
