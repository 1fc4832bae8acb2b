//! The list of files that COPY reads.

use bytes::Bytes;
use serde_json::json;

use super::upload::Part;

/// Every file, each of them needed, each with its size: COPY wants sizes for Parquet.
pub(super) fn manifest(parts: &[Part]) -> Bytes {
    let entry = |part: &Part| json!({ "url": part.url, "mandatory": true, "meta": { "content_length": part.bytes } });
    json!({ "entries": parts.iter().map(entry).collect::<Vec<_>>() }).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_named_once_with_its_size() {
        let part = |n: u64| Part { url: format!("s3://b/p/part-{n:05}.parquet"), rows: n, bytes: 100 + n };
        let text = manifest(&[part(0), part(1)]);
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            read,
            json!({ "entries": [
                { "url": "s3://b/p/part-00000.parquet", "mandatory": true, "meta": { "content_length": 100 } },
                { "url": "s3://b/p/part-00001.parquet", "mandatory": true, "meta": { "content_length": 101 } },
            ]})
        );
    }
}
