//! The service's awkward parts, each of which can be switched off.

use std::time::Duration;

/// What a client must survive. All on by default, as on the service, but what depends on the cloud; a test switches one
/// off to show that the client's counter-measure is what makes the difference.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quirks {
    /// LZ4 files are several frames, one after the other: one for each Arrow message.
    pub(crate) split_frames: bool,
    /// Arrow files hold this many rows beyond the link's `row_count`.
    pub(crate) padding_rows: usize,
    /// The column names inside Arrow files are not those of the manifest.
    pub(crate) stale_names: bool,
    /// Fields that are zero are left out.
    pub(crate) omit_zeros: bool,
    /// Sizes in bytes are JSON strings.
    pub(crate) text_numbers: bool,
    /// A link that is asked with an Authorization header refuses.
    pub(crate) links_refuse_authorization: bool,
    /// How long a link lives; 15 minutes on the service.
    pub(crate) link_lifetime: Duration,
    /// The second page of a list is empty and has a token.
    pub(crate) empty_pages: bool,
    /// How many rows a chunk of a result holds at most; 122,880 was recorded.
    pub(crate) chunk_rows: usize,
    /// How many uncompressed bytes a chunk holds about; 21 MB was recorded.
    pub(crate) chunk_bytes: usize,
    /// The largest INLINE result: 25 MiB on the service.
    pub(crate) inline_bytes: usize,
    /// Large files are taken as one stream that can be taken up again, as on one cloud, and not in parts, as on the
    /// others.
    pub(crate) resumable_uploads: bool,
    /// How long a SQL warehouse takes to start, and to stop: minutes on the service.
    pub(crate) warehouse_moment: Duration,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            split_frames: true,
            padding_rows: 3,
            stale_names: true,
            omit_zeros: true,
            text_numbers: true,
            links_refuse_authorization: true,
            link_lifetime: Duration::from_secs(15 * 60),
            empty_pages: true,
            chunk_rows: 122_880,
            chunk_bytes: 20 << 20,
            inline_bytes: 26_214_400,
            resumable_uploads: false,
            warehouse_moment: Duration::from_millis(200),
        }
    }
}
