//! Prints an error with its whole chain of causes, once each.

use std::fmt;

/// Prints an error and its causes on one line: `could not connect (host: h): connection refused`.
///
/// Meant for logs and terminals; [`Error`](crate::Error)'s own `Display` says its own layer only.
#[derive(Debug)]
pub struct Report<'a, E: ?Sized>(pub &'a E);

impl<E: std::error::Error + ?Sized> fmt::Display for Report<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // A cause that its parent has already quoted would be printed twice.
            if !last.contains(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
            cause = error.source();
        }
        Ok(())
    }
}
