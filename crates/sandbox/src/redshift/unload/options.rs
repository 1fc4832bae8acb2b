//! The grammar of UNLOAD.

use super::super::{
    access::Authorization,
    copy::{Compression, Location, authorization, location},
    lexer::{Kind, Lexed, tokens},
    options,
    report::Report,
};

const MB: u64 = 1024 * 1024;

/// What the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Csv,
    FixedWidth(Vec<usize>),
    Json,
    Parquet,
}

impl Format {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Csv => "CSV",
            Self::FixedWidth(_) => "FIXEDWIDTH",
            Self::Json => "JSON",
            Self::Parquet => "PARQUET",
        }
    }
}

/// An UNLOAD that can be carried out.
#[derive(Clone, Debug)]
pub(in super::super) struct UnloadStatement {
    /// As the client wrote it; it is rewritten as any other is.
    pub(in super::super) query: String,
    /// As the engine takes it.
    pub(in super::super) sql: String,
    pub(super) destination: Location,
    pub(super) authorization: Authorization,
    pub(super) format: Format,
    pub(super) compression: Compression,
    pub(super) partitions: Vec<String>,
    pub(super) include: bool,
    pub(super) manifest: bool,
    pub(super) verbose: bool,
    pub(super) header: bool,
    pub(super) delimiter: u8,
    pub(super) add_quotes: bool,
    pub(super) escape: bool,
    pub(super) null_as: String,
    pub(super) allow_overwrite: bool,
    pub(super) clean_path: bool,
    pub(super) parallel: bool,
    /// In bytes.
    pub(super) max_file_size: u64,
    pub(super) extension: Option<String>,
}

/// Options that a format does not take.
const REFUSED: &[(&str, &[&str])] = &[
    ("PARQUET", &["header", "delimiter", "null", "addquotes", "escape", "gzip", "bzip2", "zstd"]),
    ("JSON", &["header", "delimiter", "null", "addquotes", "escape"]),
    ("CSV", &["addquotes", "escape", "fixedwidth"]),
    ("FIXEDWIDTH", &["header", "delimiter"]),
];

impl UnloadStatement {
    pub(in super::super) fn parse(s: &Lexed<'_>) -> Result<Self, Report> {
        let quoted = |i: usize| matches!(s.kind(i), Some(Kind::Literal));
        if !s.is_sign(1, '(') || !quoted(2) || !s.is_sign(3, ')') || !s.is(4, "to") || !quoted(5) {
            let wrong = (1..=5).find(|i| match i {
                1 => !s.is_sign(1, '('),
                3 => !s.is_sign(3, ')'),
                4 => !s.is(4, "to"),
                i => !quoted(*i),
            });
            return Err(Report::syntax(s.raw(wrong.unwrap_or(1))));
        }
        let query = s.value(2);
        check_query(&query)?;
        let mut unload = Self {
            sql: String::new(),
            query,
            destination: location(&s.value(5))?,
            authorization: Authorization::Role(String::new()),
            format: Format::Text,
            compression: Compression::None,
            partitions: Vec::new(),
            include: false,
            manifest: false,
            verbose: false,
            header: false,
            delimiter: b'|',
            add_quotes: false,
            escape: false,
            null_as: String::new(),
            allow_overwrite: false,
            clean_path: false,
            parallel: true,
            max_file_size: 6348 * MB,
            extension: None,
        };
        unload.options(s, 6)?;
        Ok(unload)
    }

    fn options(&mut self, s: &Lexed<'_>, mut at: usize) -> Result<(), Report> {
        let (mut seen, mut delimiter, mut authorized): (Vec<String>, _, _) = (Vec::new(), None, None);
        while at < s.len() {
            if let Some((found, next)) = authorization(s, at)? {
                options::authorize(&mut authorized, found)?;
                at = next;
                continue;
            }
            let word = s.raw(at).to_ascii_lowercase();
            let next = at + 1;
            let value = next + usize::from(s.is(next, "as"));
            let literal = s.kind(value) == Some(Kind::Literal);
            at = match word.as_str() {
                "format" => self.format(s, value)?,
                "csv" | "parquet" | "json" | "fixedwidth" => self.format(s, at)?,
                "partition" if s.is(next, "by") && s.is_sign(next + 1, '(') => {
                    let close = s.closing(next + 1);
                    self.partitions = (next + 2..close).filter(|i| s.is_name(*i)).map(|i| s.name(i)).collect();
                    self.include = s.is(close + 1, "include");
                    close + 1 + usize::from(self.include)
                }
                "manifest" => {
                    (self.manifest, self.verbose) = (true, s.is(next, "verbose"));
                    next + usize::from(self.verbose)
                }
                "header" => options::flag(&mut self.header, next),
                "addquotes" => options::flag(&mut self.add_quotes, next),
                "escape" => options::flag(&mut self.escape, next),
                "allowoverwrite" => options::flag(&mut self.allow_overwrite, next),
                "cleanpath" => options::flag(&mut self.clean_path, next),
                "delimiter" if literal => {
                    let text = s.value(value);
                    let [byte] = text.as_bytes() else {
                        return Err(Report::unsupported("UNLOAD delimiter must be a single ASCII character"));
                    };
                    delimiter = Some(*byte);
                    value + 1
                }
                "null" if literal => {
                    self.null_as = s.value(value);
                    value + 1
                }
                "extension" if literal => {
                    self.extension = Some(s.value(value));
                    value + 1
                }
                "region" if literal => value + 1,
                "gzip" | "bzip2" | "zstd" => {
                    self.compression = Compression::of(&word).unwrap_or(Compression::None);
                    next
                }
                "parallel" => {
                    self.parallel = !s.is_any(next, &["off", "false"]);
                    next + usize::from(s.is_any(next, &["on", "off", "true", "false"]))
                }
                "maxfilesize" | "rowgroupsize" => {
                    let number: f64 = s.raw(value).parse().map_err(|_| Report::syntax(s.raw(value)))?;
                    let gigabytes = s.is(value + 1, "gb");
                    let size = number * if gigabytes { 1024.0 } else { 1.0 };
                    let bounds = if word == "maxfilesize" { 5.0..=6348.8 } else { 32.0..=128.0 };
                    if !bounds.contains(&size) {
                        return Err(Report::error("22023", format!("{} is out of range", word.to_uppercase())));
                    }
                    if word == "maxfilesize" {
                        self.max_file_size = (size * MB as f64) as u64;
                    }
                    value + 1 + usize::from(s.is_any(value + 1, &["mb", "gb"]))
                }
                "encrypted" | "kms_key_id" => return Err(Report::not_in_sandbox("UNLOAD … ENCRYPTED")),
                _ => return Err(Report::syntax(s.raw(at))),
            };
            seen.push(word);
        }
        self.delimiter = options::delimiter(delimiter, self.format == Format::Csv);
        self.check(&seen)?;
        self.authorization = options::authorized(authorized)?;
        Ok(())
    }

    fn format(&mut self, s: &Lexed<'_>, at: usize) -> Result<usize, Report> {
        self.format = match s.raw(at).to_ascii_lowercase().as_str() {
            "csv" => Format::Csv,
            "parquet" => Format::Parquet,
            "json" => Format::Json,
            "fixedwidth" => {
                let value = at + 1 + usize::from(s.is(at + 1, "as"));
                self.format = Format::FixedWidth(options::widths(&s.value(value))?);
                return Ok(value + 1);
            }
            _ => return Err(Report::syntax(s.raw(at))),
        };
        Ok(at + 1)
    }

    fn check(&self, seen: &[String]) -> Result<(), Report> {
        let format = self.format.as_str();
        let refused = REFUSED.iter().filter(|(name, _)| *name == format).flat_map(|(_, words)| words.iter());
        if let Some(word) = refused.into_iter().find(|word| seen.iter().any(|seen| seen == *word)) {
            let word = word.to_uppercase();
            return Err(Report::unsupported(format!("{word} is not supported for UNLOAD to {format}")));
        }
        if self.allow_overwrite && self.clean_path {
            return Err(Report::unsupported("CLEANPATH and ALLOWOVERWRITE cannot be used together"));
        }
        Ok(())
    }
}

fn check_query(query: &str) -> Result<(), Report> {
    let tokens = tokens(query);
    let s = Lexed::new(query, &tokens);
    if !(s.is_any(0, &["select", "with"]) || s.is_sign(0, '(')) || s.statements().len() != 1 {
        return Err(Report::error("42601", "UNLOAD takes one SELECT statement"));
    }
    let (mut depth, mut outer_limit) = (0_usize, false);
    for i in 0..s.len() {
        if s.is_sign(i, '(') {
            depth += 1;
        } else if s.is_sign(i, ')') {
            depth = depth.saturating_sub(1);
        }
        outer_limit |= depth == 0 && s.is(i, "limit");
    }
    if outer_limit { Err(Report::unsupported("Limit clause is not supported")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sql: &str) -> Result<UnloadStatement, Report> {
        let tokens = tokens(sql);
        UnloadStatement::parse(&Lexed::new(sql, &tokens))
    }

    #[test]
    fn the_forms_that_clients_send_are_read() {
        let unload = parse(
            "unload ('select \\\\''x\\\\'', ''y'' from t') to 's3://b/k/' iam_role default format as parquet \
             partition by (a, \"B\") include manifest verbose maxfilesize 64 mb parallel off allowoverwrite",
        );
        let unload = unload.expect("read");
        assert_eq!(unload.query, "select \\'x\\', 'y' from t");
        assert_eq!((unload.partitions, unload.include), (vec!["a".to_owned(), "b".to_owned()], true));
        assert!(unload.manifest && unload.verbose && !unload.parallel && unload.allow_overwrite);
        assert_eq!(unload.max_file_size, 64 * MB);
        let unload =
            parse("unload ('select 1') to 's3://b/k' iam_role default delimiter as ';' addquotes gzip null as 'x'");
        let unload = unload.expect("read");
        assert_eq!((unload.delimiter, unload.add_quotes, unload.null_as.as_str()), (b';', true, "x"));
    }

    #[test]
    fn what_the_service_refuses_is_refused() {
        for (options, code) in [
            ("format parquet header", "0A000"),
            ("format json delimiter ','", "0A000"),
            ("csv addquotes", "0A000"),
            ("format parquet gzip", "0A000"),
            ("cleanpath allowoverwrite", "0A000"),
            ("maxfilesize 4 mb", "22023"),
            ("maxfilesize 7 gb", "22023"),
            ("encrypted auto", "0A000"),
            ("nonsense", "42601"),
        ] {
            let report =
                parse(&format!("unload ('select 1') to 's3://b/k' iam_role default {options}")).expect_err(options);
            assert_eq!(report.code, code, "{options}: {}", report.message);
        }
        for (query, code) in
            [("select 1 limit 1", "0A000"), ("delete from t", "42601"), ("select 1; select 2", "42601")]
        {
            let report = parse(&format!("unload ('{query}') to 's3://b/k' iam_role default")).expect_err(query);
            assert_eq!(report.code, code, "{query}: {}", report.message);
        }
        assert!(parse("unload ('select * from (select 1 limit 1) x') to 's3://b/k' iam_role default").is_ok());
        assert!(parse("unload ('select 1') to 's3://b/k'").is_err_and(|r| r.message.starts_with("CREDENTIALS")));
        assert!(parse("unload (select 1) to 's3://b/k' iam_role default").is_err_and(|r| r.code == "42601"));
    }
}
