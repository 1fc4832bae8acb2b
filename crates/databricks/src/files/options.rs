//! How files travel.

use std::time::Duration;

use twinhouse_core::{Error, ErrorKind, Result};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// The most that the service takes in one request.
pub(crate) const LARGEST_REQUEST: u64 = 5 * GIB;
/// The most that every storage takes as one part.
const LARGEST_PART: u64 = 4 * GIB;
/// One of the storages keeps nothing of a piece but multiples of this.
const GRAIN: u64 = 256 << 10;
/// No storage takes more parts.
pub(super) const MOST_PARTS: u64 = 10_000;
/// What is aimed at.
const FEW_PARTS: u64 = 100;
const PART_SIZES: [u64; 9] =
    [10 * MIB, 20 * MIB, 50 * MIB, 100 * MIB, 200 * MIB, 500 * MIB, GIB, 2 * GIB, LARGEST_PART];

/// Which way a file takes to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownloadRoute {
    /// Through a presigned link, from the storage itself; through the workspace where that cannot be had.
    #[default]
    Auto,
    /// Through the workspace.
    Workspace,
}

/// How files travel. The defaults are those of the vendor's own SDK.
///
/// ```
/// use twinhouse_databricks::files::TransferOptions;
///
/// let gently = TransferOptions::default().with_parallel(2).with_part_size(5 << 20);
/// # let _ = gently;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TransferOptions {
    /// From how many bytes on a file is sent in parts. Default 50 MiB.
    pub multipart_from: u64,
    /// How many bytes a part has; AWS refuses less than 5 MiB, and it is rounded down to a multiple of 256 KiB, for
    /// Google. Default: 10 MiB, and more for files that would have over 100 parts.
    pub part_size: Option<u64>,
    /// How many parts travel at once. Default 10.
    pub parallel: usize,
    /// How long links are asked for. Default an hour.
    pub link_lifetime: Duration,
    /// Which way downloads take.
    pub download_route: DownloadRoute,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            multipart_from: 50 * MIB,
            part_size: None,
            parallel: 10,
            link_lifetime: Duration::from_secs(3600),
            download_route: DownloadRoute::default(),
        }
    }
}

impl TransferOptions {
    /// From how many bytes on a file is sent in parts.
    #[must_use]
    pub fn with_multipart_from(mut self, bytes: u64) -> Self {
        self.multipart_from = bytes;
        self
    }

    /// How many bytes a part has.
    #[must_use]
    pub fn with_part_size(mut self, bytes: u64) -> Self {
        self.part_size = Some(bytes);
        self
    }

    /// How many parts travel at once.
    #[must_use]
    pub fn with_parallel(mut self, parts: usize) -> Self {
        self.parallel = parts;
        self
    }

    /// How long links are asked for.
    #[must_use]
    pub fn with_link_lifetime(mut self, lifetime: Duration) -> Self {
        self.link_lifetime = lifetime;
        self
    }

    /// Which way downloads take.
    #[must_use]
    pub fn with_download_route(mut self, route: DownloadRoute) -> Self {
        self.download_route = route;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let bad = |field: &str, wish: &str| {
            Err(Error::new(ErrorKind::InvalidInput, format!("`{field}` must be {wish}")).with_context("field", field))
        };
        if !(1..=LARGEST_REQUEST).contains(&self.multipart_from) {
            return bad("multipart_from", "from 1 byte to 5 GiB, the most that one request may carry");
        }
        if self.part_size.is_some_and(|size| !(1..=LARGEST_PART).contains(&size)) {
            return bad("part_size", "from 1 byte to 4 GiB");
        }
        if !(1..=128).contains(&self.parallel) {
            return bad("parallel", "a number from 1 to 128");
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(7 * 86400)).contains(&self.link_lifetime) {
            return bad("link_lifetime", "from a second to seven days");
        }
        Ok(())
    }

    /// The size of the parts of a file of this length, if that is known.
    pub(super) fn part_size(&self, length: Option<u64>) -> Result<u64> {
        let few = |size: &u64| length.is_none_or(|length| length.div_ceil(*size) <= FEW_PARTS);
        let size = self.part_size.unwrap_or_else(|| PART_SIZES.into_iter().find(few).unwrap_or(LARGEST_PART));
        let size = if size >= GRAIN { size / GRAIN * GRAIN } else { size };
        if length.is_some_and(|length| length.div_ceil(size) > MOST_PARTS) {
            return Err(too_many_parts());
        }
        Ok(size)
    }
}

pub(super) fn too_many_parts() -> Error {
    Error::new(ErrorKind::InvalidInput, "the file would have more than 10000 parts: make `part_size` larger")
        .with_context("field", "part_size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_small_as_a_hundred_of_them_allow() {
        let options = TransferOptions::default();
        for (length, size) in [
            (None, 10 * MIB),
            (Some(60 * MIB), 10 * MIB),
            (Some(1000 * MIB), 10 * MIB),
            (Some(1000 * MIB + 1), 20 * MIB),
            (Some(100 * GIB), GIB),
            (Some(1000 * GIB), 4 * GIB),
        ] {
            assert_eq!(options.part_size(length).unwrap(), size, "{length:?}");
        }
        assert_eq!(options.clone().with_part_size(7).part_size(Some(70_000)).unwrap(), 7);
        let error = options.with_part_size(7).part_size(Some(70_001)).unwrap_err();
        assert_eq!(error.context("field"), Some("part_size"));
    }

    #[test]
    fn options_that_cannot_be_are_refused_by_field() {
        let default = TransferOptions::default;
        assert!(default().check().is_ok());
        for (options, field) in [
            (default().with_multipart_from(0), "multipart_from"),
            (default().with_multipart_from(6 * GIB), "multipart_from"),
            (default().with_part_size(0), "part_size"),
            (default().with_part_size(5 * GIB), "part_size"),
            (default().with_parallel(0), "parallel"),
            (default().with_link_lifetime(Duration::ZERO), "link_lifetime"),
        ] {
            assert_eq!(options.check().unwrap_err().context("field"), Some(field));
        }
    }
}
