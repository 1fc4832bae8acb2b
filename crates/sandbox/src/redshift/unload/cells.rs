//! A row of the engine's text COPY stream.

use super::super::result::{Column, NUMERIC, SUPER, Size, VARBYTE, compact};

pub(super) const BOOL: u32 = 16;
pub(super) const INT8: u32 = 20;
pub(super) const INT2: u32 = 21;
pub(super) const INT4: u32 = 23;
pub(super) const FLOAT4: u32 = 700;
pub(super) const FLOAT8: u32 = 701;
pub(super) const DATE: u32 = 1082;
pub(super) const TIMESTAMP: u32 = 1114;
pub(super) const TIMESTAMPTZ: u32 = 1184;

/// A column that is written.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) oid: u32,
    /// Of a NUMERIC.
    pub(super) size: Option<Size>,
}

impl Field {
    pub(super) fn of(column: &Column) -> Self {
        let size = if column.oid == NUMERIC { Size::of(column.modifier) } else { None };
        Self { name: column.name.clone(), oid: column.oid, size }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.oid, INT2 | INT4 | INT8 | FLOAT4 | FLOAT8 | NUMERIC)
    }

    /// The name of the type in a manifest.
    pub(super) fn base(&self) -> &'static str {
        match self.oid {
            BOOL => "boolean",
            INT2 => "smallint",
            INT4 => "integer",
            INT8 => "bigint",
            FLOAT4 => "real",
            FLOAT8 => "double precision",
            NUMERIC => "numeric",
            DATE => "date",
            TIMESTAMP => "timestamp without time zone",
            TIMESTAMPTZ => "timestamp with time zone",
            SUPER => "super",
            VARBYTE => "binary varying",
            1042 => "character",
            _ => "character varying",
        }
    }
}

/// The values of a line, without the engine's escapes and in the service's own form.
pub(super) fn cells(line: &[u8], fields: &[Field]) -> Vec<Option<String>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let parts = if fields.is_empty() { Vec::new() } else { line.split(|byte| *byte == b'\t').collect() };
    parts.into_iter().zip(fields).map(|(part, field)| cell(part, field)).collect()
}

fn cell(part: &[u8], field: &Field) -> Option<String> {
    if part == b"\\N" {
        return None;
    }
    let mut value = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(&byte) = bytes.next() {
        value.push(match (byte, byte == b'\\') {
            (_, true) => match bytes.next() {
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 11,
                Some(&other) => other,
                None => b'\\',
            },
            (byte, false) => byte,
        });
    }
    let value = match field.oid {
        SUPER => compact(&value),
        VARBYTE => value.strip_prefix(b"\\x").map(<[u8]>::to_vec).unwrap_or(value),
        _ => value,
    };
    Some(String::from_utf8_lossy(&value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_apart_and_its_escapes_come_off() {
        let field = |oid| Field { name: String::new(), oid, size: None };
        let fields = [field(25), field(25), field(SUPER), field(VARBYTE)];
        let line = b"a\\tb\\\\N\\n\t\\N\t{\"a\": \"x y\"}\t\\\\x00ff\n";
        let expected = [Some("a\tb\\N\n"), None, Some("{\"a\":\"x y\"}"), Some("00ff")];
        assert_eq!(cells(line, &fields), expected.map(|text| text.map(str::to_owned)));
    }
}
