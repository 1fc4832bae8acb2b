//! What the server says, taken apart: the bodies of its messages.

use twinhouse_core::{Error, ErrorKind, Result};

/// First bytes of the server's messages.
pub(crate) mod tag {
    pub(crate) const AUTHENTICATION: u8 = b'R';
    pub(crate) const BACKEND_KEY_DATA: u8 = b'K';
    pub(crate) const BIND_COMPLETE: u8 = b'2';
    pub(crate) const CLOSE_COMPLETE: u8 = b'3';
    pub(crate) const COMMAND_COMPLETE: u8 = b'C';
    pub(crate) const COPY_IN: u8 = b'G';
    pub(crate) const COPY_OUT: u8 = b'H';
    pub(crate) const DATA_ROW: u8 = b'D';
    pub(crate) const EMPTY_QUERY: u8 = b'I';
    pub(crate) const ERROR: u8 = b'E';
    pub(crate) const NO_DATA: u8 = b'n';
    pub(crate) const NOTICE: u8 = b'N';
    pub(crate) const NOTIFICATION: u8 = b'A';
    pub(crate) const PARAMETER_DESCRIPTION: u8 = b't';
    pub(crate) const PARAMETER_STATUS: u8 = b'S';
    pub(crate) const PARSE_COMPLETE: u8 = b'1';
    pub(crate) const READY_FOR_QUERY: u8 = b'Z';
    pub(crate) const ROW_DESCRIPTION: u8 = b'T';
}

/// Reads the body of one message from front to back.
#[derive(Debug)]
pub(crate) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn short(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn int(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn oid(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|&byte| byte == 0).ok_or_else(malformed)?;
        let text = String::from_utf8_lossy(&self.0[..end]).into_owned();
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(crate) fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent a malformed message")
}

/// A message whose place this is not.
pub(crate) fn unexpected(tag: u8) -> Error {
    Error::new(ErrorKind::Protocol, "the server sent a message out of turn")
        .with_context("message", char::from(tag).escape_default().to_string())
}

/// An error or notice, field by field. What the server leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerMessage {
    pub(crate) severity: String,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) detail: String,
    pub(crate) hint: String,
    pub(crate) position: String,
    pub(crate) routine: String,
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) constraint: String,
}

impl ServerMessage {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut body = Body::new(bytes);
        let mut fields = Self::default();
        loop {
            let field = body.byte()?;
            if field == 0 {
                return Ok(fields);
            }
            let text = body.text()?;
            match field {
                // `V` is `S` untranslated, where there is one.
                b'V' => fields.severity = text,
                b'S' if fields.severity.is_empty() => fields.severity = text,
                b'C' => fields.code = text,
                b'M' => fields.message = text,
                b'D' => fields.detail = text,
                b'H' => fields.hint = text,
                b'P' => fields.position = text,
                b'R' => fields.routine = text,
                b't' => fields.table = text,
                b'c' => fields.column = text,
                b'n' => fields.constraint = text,
                _ => {}
            }
        }
    }

    /// Whether the server hangs up after it.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }
}

/// One column of a result, as the server announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireColumn {
    pub(crate) name: String,
    pub(crate) oid: u32,
    pub(crate) modifier: i32,
    /// 0: its values come as text; 1: in binary.
    pub(crate) format: i16,
}

pub(crate) fn row_description(bytes: &[u8]) -> Result<Vec<WireColumn>> {
    let mut body = Body::new(bytes);
    let count = body.short()?;
    let mut columns = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let name = body.text()?;
        let _table = body.oid()?;
        let _number = body.short()?;
        let oid = body.oid()?;
        let _size = body.short()?;
        columns.push(WireColumn { name, oid, modifier: body.int()?, format: body.short()? });
    }
    // More follows only at protocol levels that we never ask for.
    if body.is_empty() { Ok(columns) } else { Err(malformed()) }
}

/// The values of one row, null as `None`.
pub(crate) fn row_values(bytes: &[u8]) -> impl Iterator<Item = Result<Option<&[u8]>>> {
    let mut body = Body::new(bytes);
    let mut left = body.short();
    std::iter::from_fn(move || {
        match &mut left {
            Ok(0) => return None,
            Ok(count) if *count > 0 => *count -= 1,
            _ => {
                let error = std::mem::replace(&mut left, Ok(0)).err().unwrap_or_else(malformed);
                return Some(Err(error));
            }
        }
        Some(match body.int() {
            Ok(-1) => Ok(None),
            Ok(length) => usize::try_from(length).map_err(|_| malformed()).and_then(|n| body.take(n)).map(Some),
            Err(error) => Err(error),
        })
    })
}

/// What a finished command says of itself: `INSERT 0 3`, `SELECT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandTag(pub(crate) String);

impl CommandTag {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        Body::new(bytes).text().map(Self)
    }

    /// Whether the server may have thrown away what was prepared before.
    pub(crate) fn makes_plans_stale(tag: &[u8]) -> bool {
        [&b"ALTER"[..], b"CREATE", b"DROP", b"ROLLBACK"].iter().any(|verb| tag.starts_with(verb))
    }

    /// How many rows it changed. A `SELECT` changes none, whatever number a newer server adds.
    pub(crate) fn rows_changed(&self) -> Option<u64> {
        let mut words = self.0.split_ascii_whitespace();
        match words.next()? {
            "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" => words.last()?.parse().ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_tells_rows_only_where_rows_change() {
        for (tag, rows) in [
            ("INSERT 0 3", Some(3)),
            ("UPDATE 0", Some(0)),
            ("DELETE 12", Some(12)),
            ("MERGE 4", Some(4)),
            ("COPY 7", Some(7)),
            ("COPY", None),
            ("SELECT", None),
            ("SELECT 5", None),
            ("CREATE TABLE", None),
            ("", None),
        ] {
            assert_eq!(CommandTag(tag.to_owned()).rows_changed(), rows, "{tag}");
        }
    }

    #[test]
    fn an_error_is_read_field_by_field() {
        let message = ServerMessage::parse(b"SFEHLER\0VERROR\0CXX000\0M1023\0Dcycle\0P7\0Fx.c\0\0").unwrap();
        assert_eq!((message.severity.as_str(), message.code.as_str()), ("ERROR", "XX000"));
        assert_eq!((message.message.as_str(), message.position.as_str()), ("1023", "7"));
        assert!(!message.is_fatal());
    }

    #[test]
    fn cut_and_overlong_bodies_are_refused() {
        assert_eq!(ServerMessage::parse(b"SERROR").unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(row_description(&[0, 1, b'a', 0]).unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(row_description(&[0, 0, 9]).unwrap_err().kind(), ErrorKind::Protocol);
        for row in [&[0_u8][..], &[0, 1, 0, 0, 0, 5, b'x'], &[0, 1, 255, 255, 255, 254], &[255, 255]] {
            assert!(row_values(row).any(|value| value.is_err()), "{row:?}");
        }
    }

    #[test]
    fn a_row_keeps_null_and_empty_apart() {
        let row = [0, 3, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 1, b'x'];
        let values: Vec<_> = row_values(&row).map(Result::unwrap).collect();
        assert_eq!(values, [None, Some(&b""[..]), Some(&b"x"[..])]);
    }
}
