//! `OPTIMIZE`, `VACUUM` and what else looks after a table

use datafusion::sql::sqlparser::{
    ast::{Expr, TableVersion, Value},
    parser::ParserError,
    tokenizer::Token,
};

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::{
    ast::{CloneTable, Maintain, ObjectPath, Statement, Statistics},
    types::parse_type,
};

/// The words with which these statements begin.
pub(super) const MAINTENANCE: &[&str] = &["ANALYZE", "CONVERT", "GENERATE", "OPTIMIZE", "REORG", "RESTORE", "VACUUM"];

impl StatementParser {
    pub(super) fn maintain(&mut self, word: &str) -> Parsed<Statement> {
        self.inner.next_token();
        let maintain = match word {
            "OPTIMIZE" => self.optimize()?,
            "VACUUM" => self.vacuum()?,
            "RESTORE" => self.restore()?,
            "ANALYZE" => self.analyze()?,
            "CONVERT" => self.convert()?,
            "GENERATE" => {
                let mode = self.inner.parse_identifier()?;
                if !mode.value.eq_ignore_ascii_case("symlink_format_manifest") {
                    return refuse(&format!("GENERATE {}", mode.value));
                }
                self.words(&["FOR", "TABLE"])?;
                Maintain::Generate { table: self.path()? }
            }
            _ => return refuse(word),
        };
        Ok(Statement::Maintain(Box::new(maintain)))
    }

    fn optimize(&mut self) -> Parsed<Maintain> {
        self.accept(&["TABLE"]);
        let table = self.path()?;
        let full = self.accept(&["FULL"]);
        let predicate = if self.accept(&["WHERE"]) { Some(self.inner.parse_expr()?) } else { None };
        let mut z_order = Vec::new();
        if self.accept(&["ZORDER", "BY"]) {
            let bracket = self.inner.consume_token(&Token::LParen);
            z_order = self.inner.parse_comma_separated(|parser| Ok(parser.parse_identifier()?.value))?;
            if bracket {
                self.inner.expect_token(&Token::RParen)?;
            }
        }
        Ok(Maintain::Optimize { table, full, predicate, z_order })
    }

    /// The options come in any order.
    fn vacuum(&mut self) -> Parsed<Maintain> {
        let table = self.path()?;
        let (mut lite, mut retain_hours, mut dry_run) = (false, None, false);
        loop {
            if self.accept(&["LITE"]) {
                lite = true;
            } else if self.accept(&["RETAIN"]) {
                let hours = self.inner.parse_literal_uint()?;
                if !self.accept(&["HOURS"]) {
                    self.words(&["HOUR"])?;
                }
                retain_hours = Some(hours);
            } else if self.accept(&["DRY", "RUN"]) {
                dry_run = true;
            } else if self.peek_word(0, "USING") {
                return refuse("VACUUM … USING INVENTORY");
            } else if !self.accept(&["FULL"]) {
                return Ok(Maintain::Vacuum { table, lite, retain_hours, dry_run });
            }
        }
    }

    fn restore(&mut self) -> Parsed<Maintain> {
        self.accept(&["TABLE"]);
        let table = self.path()?;
        self.accept(&["TO"]);
        let place = self.inner.peek_token();
        match self.as_of()? {
            Some(to) => Ok(Maintain::Restore { table, to }),
            None => self.inner.expected("VERSION AS OF or TIMESTAMP AS OF", place),
        }
    }

    /// `VERSION AS OF n` or `TIMESTAMP AS OF 'text'`, if that is next. Only literals: what follows is no expression.
    fn as_of(&mut self) -> Parsed<Option<TableVersion>> {
        self.accept(&["FOR"]);
        if self.accept(&["VERSION", "AS", "OF"]) || self.accept(&["SYSTEM_VERSION", "AS", "OF"]) {
            let place = self.inner.peek_token();
            return match self.inner.parse_value()?.value {
                value @ (Value::Number(..) | Value::SingleQuotedString(_)) => {
                    Ok(Some(TableVersion::VersionAsOf(Expr::Value(value.into()))))
                }
                _ => self.inner.expected("a version", place),
            };
        }
        if self.accept(&["TIMESTAMP", "AS", "OF"]) || self.accept(&["SYSTEM_TIME", "AS", "OF"]) {
            let text = self.text()?;
            return Ok(Some(TableVersion::TimestampAsOf(Expr::Value(Value::SingleQuotedString(text).into()))));
        }
        Ok(None)
    }

    fn analyze(&mut self) -> Parsed<Maintain> {
        if self.peek_word(0, "TABLES") {
            return refuse("ANALYZE TABLES");
        }
        self.words(&["TABLE"])?;
        let table = self.path()?;
        if self.peek_word(0, "PARTITION") {
            return refuse("ANALYZE TABLE … PARTITION");
        }
        self.words(&["COMPUTE"])?;
        if self.peek_word(0, "DELTA") {
            return refuse("ANALYZE TABLE … COMPUTE DELTA STATISTICS");
        }
        self.words(&["STATISTICS"])?;
        let statistics = if self.accept(&["NOSCAN"]) {
            Statistics::NoScan
        } else if self.accept(&["FOR", "ALL", "COLUMNS"]) {
            Statistics::OfAll
        } else if self.accept(&["FOR", "COLUMNS"]) {
            let names = |parser: &mut Self| {
                parser.inner.parse_comma_separated(|parser| Ok::<_, ParserError>(parser.parse_identifier()?.value))
            };
            Statistics::Of(names(self)?)
        } else {
            Statistics::Of(Vec::new())
        };
        Ok(Maintain::Analyze { table, statistics })
    }

    fn convert(&mut self) -> Parsed<Maintain> {
        self.words(&["TO", "DELTA"])?;
        let ObjectPath(mut parts) = self.path()?;
        let path = match parts.as_mut_slice() {
            [format, path] if format.eq_ignore_ascii_case("parquet") => std::mem::take(path),
            [format, _] if format.eq_ignore_ascii_case("iceberg") => return refuse("CONVERT TO DELTA iceberg.`…`"),
            _ => return refuse("CONVERT TO DELTA of a table by its name"),
        };
        // The statistics are read from the files' footers, which are opened anyway.
        self.accept(&["NO", "STATISTICS"]);
        let mut partitions = Vec::new();
        if self.accept(&["PARTITIONED", "BY"]) {
            self.inner.expect_token(&Token::LParen)?;
            loop {
                let name = self.inner.parse_identifier()?.value;
                partitions.push((name, parse_type(&mut self.inner)?));
                if !self.inner.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.inner.expect_token(&Token::RParen)?;
        }
        Ok(Maintain::Convert { path, partitions })
    }

    /// `DESCRIBE HISTORY t [LIMIT n]` and `DESCRIBE DETAIL t`, from the word after DESCRIBE.
    pub(super) fn describe_delta(&mut self, word: &str) -> Parsed<Statement> {
        self.inner.next_token();
        self.accept(&["TABLE"]);
        let table = self.path()?;
        let maintain = if word == "DETAIL" {
            Maintain::Detail { table }
        } else {
            let limit = if self.accept(&["LIMIT"]) { Some(self.inner.parse_literal_uint()?) } else { None };
            Maintain::History { table, limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)) }
        };
        Ok(Statement::Maintain(Box::new(maintain)))
    }

    /// `CREATE TABLE t [SHALLOW | DEEP] CLONE s`, from the word after the name.
    pub(super) fn create_clone(
        &mut self,
        name: ObjectPath,
        or_replace: bool,
        if_not_exists: bool,
    ) -> Parsed<Statement> {
        let shallow = self.accept(&["SHALLOW"]);
        if !shallow {
            self.accept(&["DEEP"]);
        }
        self.words(&["CLONE"])?;
        let source = self.path()?;
        let version = self.as_of()?;
        let properties = if self.accept(&["TBLPROPERTIES"]) { self.options()? } else { Vec::new() };
        if self.peek_word(0, "LOCATION") {
            return refuse("CREATE TABLE … CLONE … LOCATION");
        }
        let clone = CloneTable { name, or_replace, if_not_exists, shallow, source, version, properties };
        Ok(Statement::Maintain(Box::new(Maintain::Clone(clone))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databricks::sql::{lexer::lex, parse};

    fn read(sql: &str) -> Maintain {
        match parse(&lex(sql).unwrap()) {
            Ok(Statement::Maintain(maintain)) => *maintain,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn vacuum_takes_its_options_in_any_order() {
        for sql in ["VACUUM t LITE RETAIN 200 HOURS DRY RUN", "VACUUM t DRY RUN RETAIN 200 HOURS LITE;"] {
            let Maintain::Vacuum { lite, retain_hours, dry_run, .. } = read(sql) else { panic!() };
            assert_eq!((lite, retain_hours, dry_run), (true, Some(200), true), "{sql}");
        }
    }

    #[test]
    fn every_form_of_the_grammar_is_recognised() {
        for sql in [
            "OPTIMIZE main.s.t WHERE day >= DATE '2024-01-01' ZORDER BY (a, `b c`)",
            "OPTIMIZE t FULL",
            "VACUUM t",
            "DESC HISTORY t LIMIT 3",
            "DESCRIBE DETAIL t",
            "DESCRIBE HISTORY delta.`/Volumes/a/b/c/d`",
            "RESTORE TABLE t TO VERSION AS OF 3",
            "RESTORE t TIMESTAMP AS OF '2024-01-01'",
            "CREATE TABLE t CLONE s",
            "CREATE OR REPLACE TABLE t SHALLOW CLONE s VERSION AS OF 3 TBLPROPERTIES ('a' = 'b')",
            "CREATE TABLE IF NOT EXISTS t DEEP CLONE s TIMESTAMP AS OF '2024-01-01'",
            "CONVERT TO DELTA parquet.`/Volumes/a/b/c/d` NO STATISTICS PARTITIONED BY (day DATE, n INT)",
            "GENERATE symlink_format_manifest FOR TABLE t",
            "ANALYZE TABLE t COMPUTE STATISTICS",
            "ANALYZE TABLE t COMPUTE STATISTICS NOSCAN",
            "ANALYZE TABLE t COMPUTE STATISTICS FOR COLUMNS a, b",
            "ANALYZE TABLE t COMPUTE STATISTICS FOR ALL COLUMNS",
        ] {
            read(sql);
        }
    }

    #[test]
    fn what_the_service_takes_and_the_sandbox_does_not_is_named() {
        for (sql, name) in [
            ("REORG TABLE t APPLY (PURGE)", "REORG"),
            ("VACUUM t USING INVENTORY (SELECT 1)", "USING INVENTORY"),
            ("ANALYZE TABLE t COMPUTE DELTA STATISTICS", "DELTA STATISTICS"),
            ("CONVERT TO DELTA main.s.t", "CONVERT TO DELTA"),
            ("GENERATE nothing FOR TABLE t", "GENERATE nothing"),
        ] {
            let error = parse(&lex(sql).unwrap()).unwrap_err();
            assert_eq!(error.class(), "UNSUPPORTED_FEATURE", "{sql}");
            assert!(error.text().contains(name), "{error}");
        }
        assert_eq!(parse(&lex("RESTORE TABLE t").unwrap()).unwrap_err().class(), "PARSE_SYNTAX_ERROR");
    }
}
