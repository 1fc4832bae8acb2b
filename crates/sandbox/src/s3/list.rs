//! One page of a list: keys in order, keys below a delimiter as one.

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{
    S3Result,
    dto::{CommonPrefix, EncodingType, Object},
};

use super::files::Files;

/// S3 gives no more at a time.
const LIMIT: usize = 1000;
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// What to list.
pub(super) struct Query<'a> {
    pub(super) bucket: &'a str,
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    /// Only what comes behind this.
    pub(super) after: Option<&'a str>,
    pub(super) limit: Option<i32>,
    pub(super) encoding: Option<&'a EncodingType>,
}

/// What was found.
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    pub(super) prefixes: Vec<CommonPrefix>,
    pub(super) limit: usize,
    /// The last name of the page, if there are more.
    pub(super) next: Option<String>,
}

impl Page {
    pub(super) fn read(files: &Files, query: &Query<'_>) -> S3Result<Self> {
        let limit = query.limit.map_or(LIMIT, |limit| usize::try_from(limit).unwrap_or(0).min(LIMIT));
        let mut page = Self { objects: Vec::new(), prefixes: Vec::new(), limit, next: None };
        let mut last: Option<String> = None;
        for (key, size, modified) in files.list(query.bucket, query.prefix)? {
            let group = group(&key, query.prefix, query.delimiter);
            let name = group.unwrap_or(&key);
            // The mark may be the group itself, which the keys in it come behind.
            let seen = |mark: &str| key.as_str() <= mark || group == Some(mark);
            if query.after.is_some_and(seen) || (group.is_some() && last.as_deref() == group) {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == limit {
                page.next = last;
                return Ok(page);
            }
            last = Some(name.to_owned());
            if group.is_some() {
                page.prefixes.push(CommonPrefix { prefix: Some(encode(name, query.encoding)) });
            } else {
                page.objects.push(object(files, query, &key, size, modified));
            }
        }
        Ok(page)
    }
}

fn object(files: &Files, query: &Query<'_>, key: &str, size: u64, modified: SystemTime) -> Object {
    let stored = files.describe(query.bucket, key, size, modified);
    Object {
        key: Some(encode(key, query.encoding)),
        e_tag: Some(stored.etag()),
        last_modified: Some(modified.into()),
        size: i64::try_from(size).ok(),
        ..Object::default()
    }
}

/// The key up to the first delimiter behind the prefix.
fn group<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// A name as the client asked for it: some characters cannot stand in XML.
pub(super) fn encode(name: &str, encoding: Option<&EncodingType>) -> String {
    match encoding {
        Some(_) => utf8_percent_encode(name, URL).to_string(),
        None => name.to_owned(),
    }
}
