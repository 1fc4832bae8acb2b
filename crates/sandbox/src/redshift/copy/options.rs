//! The grammar of COPY.

use twinhouse_core::Secret;

use super::{
    super::{
        access::Authorization,
        lexer::{Kind, Lexed},
        report::Report,
    },
    source::Location,
};

/// What the files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Csv,
    /// Delimited text.
    Text,
}

impl Format {
    /// As SYS_LOAD_HISTORY has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Csv => "CSV",
            Self::Text => "Text",
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
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) ignore_header: usize,
    pub(super) null_as: String,
    pub(super) empty_as_null: bool,
    pub(super) blanks_as_null: bool,
    pub(super) fill_record: bool,
    pub(super) explicit_ids: bool,
    pub(super) serialize_to_json: bool,
}

/// Options of the service that the sandbox does not carry out.
const ABSENT: &[&str] = &[
    "acceptinvchars",
    "truncatecolumns",
    "gzip",
    "bzip2",
    "lzop",
    "zstd",
    "escape",
    "removequotes",
    "trimblanks",
    "roundec",
    "noload",
    "maxerror",
    "ignoreallerrors",
    "acceptanydate",
    "encoding",
    "ignoreblanklines",
    "comprows",
    "encrypted",
    "ssh",
    "readratio",
    "job",
    "template",
];
/// Options that a columnar COPY takes.
const COLUMNAR: &[&str] =
    &["manifest", "acceptinvchars", "fillrecord", "statupdate", "explicit_ids", "serializetojson", "iam_role"];

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
            delimiter: b'|',
            quote: b'"',
            ignore_header: 0,
            null_as: "\\N".to_owned(),
            empty_as_null: false,
            blanks_as_null: false,
            fill_record: false,
            explicit_ids: false,
            serialize_to_json: false,
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
                if authorized.replace(authorization).is_some() {
                    return Err(Report::error("42601", "conflicting or redundant options"));
                }
                at = next;
                continue;
            }
            let next = at + 1;
            let value = next + usize::from(s.is(next, "as"));
            let literal = s.kind(value) == Some(Kind::Literal);
            at = match word.as_str() {
                "format" => {
                    self.format(s, value)?;
                    value + 1
                }
                "parquet" | "csv" | "orc" | "avro" | "json" | "shapefile" | "fixedwidth" => {
                    self.format(s, at)?;
                    if matches!(word.as_str(), "parquet" | "csv") { next } else { value + 1 }
                }
                "quote" if literal => {
                    self.quote = one_byte(&s.value(value), "quote")?;
                    value + 1
                }
                "delimiter" if literal => {
                    delimiter = Some(one_byte(&s.value(value), "delimiter")?);
                    value + 1
                }
                "manifest" => {
                    self.manifest = true;
                    next
                }
                "ignoreheader" => {
                    self.ignore_header = s.raw(value).parse().map_err(|_| Report::syntax(s.raw(value)))?;
                    value + 1
                }
                "null" if literal => {
                    self.null_as = s.value(value);
                    value + 1
                }
                "emptyasnull" => flag(&mut self.empty_as_null, next),
                "blanksasnull" => flag(&mut self.blanks_as_null, next),
                "fillrecord" => flag(&mut self.fill_record, next),
                "explicit_ids" => flag(&mut self.explicit_ids, next),
                "serializetojson" => flag(&mut self.serialize_to_json, next),
                "compupdate" | "statupdate" => {
                    next + usize::from(s.is_any(next, &["on", "off", "true", "false", "preset"]))
                }
                "dateformat" | "timeformat" if literal => {
                    // The engine's own reading is the automatic one.
                    let format = s.value(value);
                    if !["auto", "YYYY-MM-DD", "YYYY-MM-DD HH:MI:SS"].contains(&format.as_str()) {
                        return Err(Report::not_in_sandbox(&format!("{} '{format}'", word.to_uppercase())));
                    }
                    value + 1
                }
                "maxerror" if matches!(s.raw(value), "0" | "1") => value + 1,
                "region" if literal => value + 1,
                _ if ABSENT.contains(&word.as_str()) => {
                    seen.push(word);
                    break;
                }
                _ => return Err(Report::syntax(s.raw(at))),
            };
            seen.push(word);
        }
        self.delimiter = delimiter.unwrap_or(if self.format == Format::Csv { b',' } else { b'|' });
        self.check(&seen)?;
        self.authorization = authorized.ok_or_else(|| {
            Report::internal("CREDENTIALS argument is required but not supplied")
                .with_detail("Specify IAM_ROLE or ACCESS_KEY_ID and SECRET_ACCESS_KEY.")
        })?;
        Ok(())
    }

    fn format(&mut self, s: &Lexed<'_>, at: usize) -> Result<(), Report> {
        self.format = match s.raw(at).to_ascii_lowercase().as_str() {
            "parquet" => Format::Parquet,
            "csv" => Format::Csv,
            other @ ("orc" | "avro" | "json" | "shapefile" | "fixedwidth") => {
                return Err(Report::not_in_sandbox(&format!("COPY FORMAT {}", other.to_uppercase())));
            }
            _ => return Err(Report::syntax(s.raw(at))),
        };
        Ok(())
    }

    fn check(&self, seen: &[String]) -> Result<(), Report> {
        let has = |word: &str| seen.iter().any(|seen| seen == word);
        if self.format == Format::Parquet {
            let allowed =
                |word: &&String| COLUMNAR.contains(&word.as_str()) || matches!(word.as_str(), "format" | "parquet");
            if let Some(word) = seen.iter().find(|word| !allowed(word)) {
                let word = word.to_uppercase();
                return Err(Report::unsupported(format!("{word} argument is not supported for PARQUET based COPY"))
                    .with_routine("DoCopy"));
            }
        } else if has("serializetojson") {
            return Err(
                Report::unsupported("SERIALIZETOJSON is only supported for columnar COPY").with_routine("DoCopy")
            );
        }
        if has("quote") && self.format != Format::Csv {
            return Err(Report::unsupported("COPY quote available only in CSV mode").with_routine("DoCopy"));
        }
        match ABSENT.iter().find(|word| has(word)) {
            Some(word) => Err(Report::not_in_sandbox(&format!("COPY … {}", word.to_uppercase()))),
            None => Ok(()),
        }
    }
}

fn flag(flag: &mut bool, next: usize) -> usize {
    *flag = true;
    next
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

/// `s3://bucket/key`.
pub(super) fn location(url: &str) -> Result<Location, Report> {
    let Some(rest) = url.strip_prefix("s3://") else {
        let scheme = url.split("://").next().unwrap_or_default();
        return Err(match scheme {
            "emr" | "dynamodb" => Report::not_in_sandbox(&format!("COPY from {scheme}")),
            _ => Report::unsupported(
                "LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)",
            ),
        });
    };
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(Report::internal("S3ServiceException:The specified bucket is not valid.,Status 400"));
    }
    Ok(Location { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// An authorization at `at`, and the index after it.
fn authorization(s: &Lexed<'_>, at: usize) -> Result<Option<(Authorization, usize)>, Report> {
    if s.is(at, "iam_role") {
        let role = if s.is(at + 1, "default") {
            "default".to_owned()
        } else if s.kind(at + 1) == Some(Kind::Literal) {
            s.value(at + 1)
        } else {
            return Err(Report::syntax(s.raw(at + 1)));
        };
        return Ok(Some((Authorization::Role(role), at + 2)));
    }
    if s.is(at, "access_key_id") {
        let (mut next, mut id, mut secret) = (at, None, None);
        while s.is_any(next, &["access_key_id", "secret_access_key", "session_token"]) {
            let value = next + 1 + usize::from(s.is(next + 1, "as"));
            match s.raw(next).to_ascii_lowercase().as_str() {
                "access_key_id" => id = Some(s.value(value)),
                "secret_access_key" => secret = Some(s.value(value)),
                _ => {}
            }
            next = value + 1;
        }
        return keys(id, secret).map(|keys| Some((keys, next)));
    }
    let credentials = at + usize::from(s.is(at, "with"));
    if s.is(credentials, "credentials") {
        let value = credentials + 1 + usize::from(s.is(credentials + 1, "as"));
        let text = s.value(value);
        let part = |name: &str| {
            text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let authorization = match part("aws_iam_role") {
            Some(role) => Authorization::Role(role),
            None => keys(part("aws_access_key_id"), part("aws_secret_access_key"))?,
        };
        return Ok(Some((authorization, value + 1)));
    }
    Ok(None)
}

fn keys(id: Option<String>, secret: Option<String>) -> Result<Authorization, Report> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Authorization::Keys { id, secret: Secret::from(secret) }),
        _ => Err(Report::internal("Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or ...")),
    }
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
    }

    #[test]
    fn what_only_the_sandbox_lacks_says_so() {
        for sql in [
            "copy t from 's3://b/k' iam_role default format json 'auto'",
            "copy t from 's3://b/k' iam_role default csv gzip",
            "copy t from 's3://b/k' iam_role default csv maxerror 10",
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
