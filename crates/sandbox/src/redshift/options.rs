//! What COPY and UNLOAD read alike among their options.

use super::{access::Authorization, report::Report};

/// Keeps an authorization that was read: there can be one.
pub(super) fn authorize(kept: &mut Option<Authorization>, found: Authorization) -> Result<(), Report> {
    match kept.replace(found) {
        Some(_) => Err(Report::error("42601", "conflicting or redundant options")),
        None => Ok(()),
    }
}

/// The authorization, which must have been given.
pub(super) fn authorized(kept: Option<Authorization>) -> Result<Authorization, Report> {
    kept.ok_or_else(|| {
        Report::internal("CREDENTIALS argument is required but not supplied")
            .with_detail("Specify IAM_ROLE or ACCESS_KEY_ID and SECRET_ACCESS_KEY.")
    })
}

/// An option that is on where it is named; answers the index behind it.
pub(super) fn flag(option: &mut bool, next: usize) -> usize {
    *option = true;
    next
}

/// The widths of `'label:width,…'`.
pub(super) fn widths(spec: &str) -> Result<Vec<usize>, Report> {
    let width = |part: &str| part.rsplit(':').next()?.trim().parse().ok().filter(|width| *width > 0);
    let widths = spec.split(',').map(width).collect::<Option<_>>();
    widths.ok_or_else(|| Report::error("22023", "Invalid fixed width specification"))
}

/// The delimiter, or the format's own.
pub(super) fn delimiter(given: Option<u8>, is_csv: bool) -> u8 {
    given.unwrap_or(if is_csv { b',' } else { b'|' })
}
