//! The columns that a COPY fills.

use super::super::{report::Report, result::Size};

/// A type that COPY can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric(Size),
    /// In bytes.
    Char(usize),
    Varchar(usize),
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Super,
    Varbyte,
}

impl Type {
    fn of(oid: u32, modifier: i32) -> Option<Self> {
        let length = usize::try_from(modifier - 4).unwrap_or(65_535);
        Some(match oid {
            16 => Self::Bool,
            21 => Self::Int2,
            23 => Self::Int4,
            20 => Self::Int8,
            700 => Self::Float4,
            701 => Self::Float8,
            1700 => Self::Numeric(Size::of(modifier).unwrap_or(Size { precision: 38, scale: 18 })),
            1042 => Self::Char(length),
            25 | 1043 => Self::Varchar(length),
            1082 => Self::Date,
            1083 => Self::Time,
            1266 => Self::TimeTz,
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz,
            4000 => Self::Super,
            6551 => Self::Varbyte,
            _ => return None,
        })
    }

    /// As error messages spell it.
    pub(super) fn name(self) -> String {
        match self {
            Self::Bool => "BOOLEAN".to_owned(),
            Self::Int2 => "SMALLINT".to_owned(),
            Self::Int4 => "INT".to_owned(),
            Self::Int8 => "BIGINT".to_owned(),
            Self::Float4 => "REAL".to_owned(),
            Self::Float8 => "DOUBLE PRECISION".to_owned(),
            Self::Numeric(size) => format!("DECIMAL({}, {})", size.precision, size.scale),
            Self::Char(length) => format!("CHAR({length})"),
            Self::Varchar(length) => format!("VARCHAR({length})"),
            Self::Date => "DATE".to_owned(),
            Self::Time => "TIME".to_owned(),
            Self::TimeTz => "TIMETZ".to_owned(),
            Self::Timestamp => "TIMESTAMP".to_owned(),
            Self::TimestampTz => "TIMESTAMPTZ".to_owned(),
            Self::Super => "SUPER".to_owned(),
            Self::Varbyte => "VARBYTE".to_owned(),
        }
    }
}

/// A column to fill.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) not_null: bool,
}

/// The table of a COPY.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) oid: u32,
    pub(super) columns: Vec<Column>,
}

/// Asks for what [`Target::of`] reads. The name is looked up as any other is: by the session's search path.
pub(super) fn question(table: &str) -> String {
    let table = super::super::lexer::quote_literal(table);
    format!(
        "SELECT a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.atthasdef, c.oid, c.relkind \
         FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_attribute a \
         ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.oid = {table}::regclass ORDER BY a.attnum"
    )
}

impl Target {
    /// From the answer to [`question`]: the columns named, or all but those that fill themselves.
    pub(super) fn of(
        rows: &[Vec<Option<String>>],
        table: &str,
        wanted: Option<&[String]>,
        explicit_ids: bool,
    ) -> Result<Self, Report> {
        struct Found<'a> {
            column: Column,
            identity: &'a str,
            has_default: bool,
        }
        let cell = |row: &'_ [Option<String>], i: usize| row.get(i).cloned().flatten().unwrap_or_default();
        let oid = rows.first().and_then(|row| cell(row, 6).parse().ok()).unwrap_or_default();
        if rows.first().is_some_and(|row| cell(row, 7) != "r") {
            return Err(Report::error("42809", format!("cannot copy to view \"{table}\"")));
        }
        let mut found = Vec::new();
        for row in rows {
            let name = cell(row, 0);
            let kind = Type::of(cell(row, 1).parse().unwrap_or_default(), cell(row, 2).parse().unwrap_or(-1));
            let kind =
                kind.ok_or_else(|| Report::not_in_sandbox(&format!("COPY into column \"{name}\" of this type")))?;
            let identity = row.get(4).and_then(Option::as_deref).unwrap_or_default();
            let has_default = cell(row, 5) == "t";
            found.push(Found { column: Column { name, kind, not_null: cell(row, 3) == "t" }, identity, has_default });
        }
        let Some(wanted) = wanted else {
            let columns = found.into_iter().filter(|found| found.identity.is_empty() || explicit_ids);
            return Ok(Self { oid, columns: columns.map(|found| found.column).collect() });
        };
        for found in &found {
            let left_out = !wanted.contains(&found.column.name);
            if left_out && found.column.not_null && !found.has_default && found.identity.is_empty() {
                return Err(Report::error("42601", "NOT NULL column without DEFAULT must be included in column list")
                    .with_routine("DoTheCopy"));
            }
        }
        let mut columns = Vec::new();
        for name in wanted {
            let Some(found) = found.iter().find(|found| found.column.name == *name) else {
                return Err(Report::error(
                    "42703",
                    format!("column \"{name}\" of relation \"{table}\" does not exist"),
                ));
            };
            if found.identity == "a" && !explicit_ids {
                return Err(Report::error("42601", "cannot load into an IDENTITY column without EXPLICIT_IDS")
                    .with_routine("DoTheCopy"));
            }
            columns.push(found.column.clone());
        }
        Ok(Self { oid, columns })
    }

    /// The engine's COPY for it.
    pub(super) fn statement(&self, table: &str, binary: bool) -> String {
        let names: Vec<String> =
            self.columns.iter().map(|column| format!("\"{}\"", column.name.replace('"', "\"\""))).collect();
        let format = if binary { " WITH (FORMAT binary)" } else { "" };
        format!("COPY {table} ({}) FROM STDIN{format}", names.join(", "))
    }
}
