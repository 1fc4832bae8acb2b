//! The values of one row of a view, taken one after the other.

use std::{
    str::FromStr,
    time::{Duration, SystemTime},
};

use chrono::NaiveDateTime;
use twinhouse_core::{Error, ErrorKind, Result};

/// A row that is being read. NULL is `None` everywhere: what a view does not say stays unknown.
#[derive(Debug)]
pub(crate) struct Fields {
    view: &'static str,
    taken: usize,
    values: std::vec::IntoIter<Option<String>>,
}

impl Fields {
    pub(crate) fn new(view: &'static str, values: Vec<Option<String>>) -> Self {
        Self { view, taken: 0, values: values.into_iter() }
    }

    /// Text as it is.
    pub(crate) fn text(&mut self) -> Result<Option<String>> {
        self.taken += 1;
        self.values.next().ok_or_else(|| self.wrong("a value that is not there"))
    }

    /// Text that must be there.
    pub(crate) fn name(&mut self) -> Result<String> {
        self.text()?.ok_or_else(|| self.wrong("no name"))
    }

    /// Text of a `CHAR` column, without the blanks that fill it up; nothing but blanks is nothing.
    pub(crate) fn padded(&mut self) -> Result<Option<String>> {
        Ok(self.text()?.map(|text| text.trim_end().to_owned()).filter(|text| !text.is_empty()))
    }

    pub(crate) fn number<T: FromStr>(&mut self) -> Result<Option<T>> {
        match self.text()? {
            None => Ok(None),
            Some(text) => {
                text.trim().parse().map(Some).map_err(|_| self.wrong("something that is no number of its kind"))
            }
        }
    }

    /// A count. The views write -1 where there is none.
    pub(crate) fn count(&mut self) -> Result<Option<u64>> {
        Ok(self.number::<i128>()?.and_then(|count| u64::try_from(count).ok()))
    }

    pub(crate) fn flag(&mut self) -> Result<Option<bool>> {
        match self.text()?.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some("t" | "true" | "True" | "1" | "YES" | "Y") => Ok(Some(true)),
            Some("f" | "false" | "False" | "0" | "NO" | "N") => Ok(Some(false)),
            Some(_) => Err(self.wrong("neither yes nor no")),
        }
    }

    pub(crate) fn micros(&mut self) -> Result<Option<Duration>> {
        Ok(self.count()?.map(Duration::from_micros))
    }

    pub(crate) fn millis(&mut self) -> Result<Option<Duration>> {
        Ok(self.count()?.map(Duration::from_millis))
    }

    pub(crate) fn seconds(&mut self) -> Result<Option<Duration>> {
        Ok(self.count()?.map(Duration::from_secs))
    }

    /// A moment; the views keep UTC.
    pub(crate) fn time(&mut self) -> Result<Option<SystemTime>> {
        let Some(text) = self.text()? else { return Ok(None) };
        let parsed = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S%.f");
        let moment = parsed.map_err(|_| self.wrong("something that is no time"))?.and_utc();
        Ok(Some(moment.into()))
    }

    fn wrong(&self, what: &str) -> Error {
        Error::new(ErrorKind::Protocol, format!("a system view holds {what}"))
            .with_context("view", self.view)
            .with_context("value", self.taken.to_string())
    }
}
