//! Which state of a file an answer belongs to.

use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};

use crate::{api::storage::Opened, files::entry::text};

/// What tells one state of a file from another, as far as the server says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// The length of the whole file.
    pub(super) total: Option<u64>,
    last_modified: Option<String>,
    /// A strong one: a weak one does not speak of bytes.
    etag: Option<String>,
}

impl Version {
    /// Reads an answer that should begin at this byte.
    pub(super) fn of(opened: &Opened, start: u64) -> Result<Self> {
        let headers = &opened.headers;
        let owned = |name| text(headers, name).map(str::to_owned);
        let total = match (opened.status, text(headers, &header::CONTENT_RANGE)) {
            (StatusCode::PARTIAL_CONTENT, Some(range)) => {
                let (first, total) = content_range(range)?;
                if first != start {
                    return Err(Error::new(
                        ErrorKind::Protocol,
                        "the answer begins at another byte than was asked for",
                    )
                    .with_context("asked", start.to_string())
                    .with_context("begins", first.to_string()));
                }
                total
            }
            (StatusCode::PARTIAL_CONTENT, None) => {
                return Err(Error::new(ErrorKind::Protocol, "the answer does not say which part of the file it is"));
            }
            _ if start > 0 => {
                return Err(Error::new(ErrorKind::Protocol, "a part of the file was asked for, and all of it came"));
            }
            _ => text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        };
        let etag = owned(&header::ETAG).filter(|etag| etag.starts_with('"'));
        Ok(Self { total, last_modified: owned(&header::LAST_MODIFIED), etag })
    }

    /// True if another state of the file would be noticed.
    pub(super) fn is_known(&self) -> bool {
        self.last_modified.is_some() || self.etag.is_some()
    }

    /// Asks for this state and no other.
    pub(super) fn require(&self, headers: &mut HeaderMap) {
        let value = |text: &Option<String>| text.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        if let Some(date) = value(&self.last_modified) {
            headers.insert(header::IF_UNMODIFIED_SINCE, date);
        }
        if let Some(etag) = value(&self.etag) {
            headers.insert(header::IF_MATCH, etag);
        }
    }

    /// An error if a later answer belongs to another state. What only one of them says does not count: the storage and
    /// the workspace in front of it do not say the same.
    pub(super) fn check(&self, now: &Self) -> Result<()> {
        fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            a.is_some() && b.is_some() && a != b
        }
        if differ(&self.total, &now.total)
            || differ(&self.last_modified, &now.last_modified)
            || differ(&self.etag, &now.etag)
        {
            return Err(replaced());
        }
        Ok(())
    }
}

pub(super) fn replaced() -> Error {
    Error::new(ErrorKind::Conflict, "the file was replaced while it was read: read it again from the beginning")
}

/// `bytes 5-9/10` begins at 5 and is of 10; the length may be `*`.
fn content_range(text: &str) -> Result<(u64, Option<u64>)> {
    let read = || {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        let total = if total == "*" { None } else { Some(total.parse::<u64>().ok()?) };
        (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
    };
    read().ok_or_else(|| {
        Error::new(ErrorKind::Protocol, "the answer does not say in a known way which part of the file it is")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_or_refused() {
        assert_eq!(content_range("bytes 5-9/10").unwrap(), (5, Some(10)));
        assert_eq!(content_range("bytes 0-0/*").unwrap(), (0, None));
        for bad in ["", "bytes 9-5/10", "bytes 5-10/10", "bytes */10", "5-9/10", "bytes a-b/c"] {
            assert_eq!(content_range(bad).unwrap_err().kind(), ErrorKind::Protocol, "{bad}");
        }
    }
}
