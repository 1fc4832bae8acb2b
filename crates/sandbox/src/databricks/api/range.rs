//! The `Range` header.

/// What a `Range` header asks of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Range {
    Whole,
    Part { start: u64, length: u64 },
    Unsatisfiable,
}

impl Range {
    /// Reads the header for a file of this size. What is not one range of bytes asks for nothing (RFC 9110).
    pub(super) fn of(header: Option<&str>, size: u64) -> Self {
        let Some((first, last)) = header
            .and_then(|header| header.trim().strip_prefix("bytes="))
            .filter(|ranges| !ranges.contains(','))
            .and_then(|range| range.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        match (first, last) {
            ("", last) => match last.parse::<u64>() {
                Ok(0) => Self::Unsatisfiable,
                Ok(_) if size == 0 => Self::Unsatisfiable,
                Ok(tail) => Self::Part { start: size.saturating_sub(tail), length: tail.min(size) },
                Err(_) => Self::Whole,
            },
            (first, last) => {
                let end = if last.is_empty() { Ok(u64::MAX) } else { last.parse::<u64>() };
                match (first.parse::<u64>(), end) {
                    (Ok(first), Ok(end)) if first > end => Self::Whole,
                    (Ok(first), Ok(_)) if first >= size => Self::Unsatisfiable,
                    (Ok(first), Ok(end)) => Self::Part { start: first, length: end.min(size - 1) - first + 1 },
                    _ => Self::Whole,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Range::{self, Part, Unsatisfiable, Whole};

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |start, length| Part { start, length };
        for (header, size, expected) in [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=2-5", 10, part(2, 4)),
            ("bytes=5-", 10, part(5, 5)),
            ("bytes=5-99", 10, part(5, 5)),
            ("bytes=-3", 10, part(7, 3)),
            ("bytes=-99", 10, part(0, 10)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-1", 0, Unsatisfiable),
            ("bytes=5-2", 10, Whole),
            ("bytes=0-1,3-4", 10, Whole),
            ("lines=0-1", 10, Whole),
            ("bytes=x-y", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=0-18446744073709551615", 10, part(0, 10)),
        ] {
            assert_eq!(Range::of(Some(header), size), expected, "{header} of {size}");
        }
        assert_eq!(Range::of(None, 10), Whole);
    }
}
