//! The list of the files.

use serde_json::{Value, json};

use super::{cells::Field, files::Written};

/// With columns, lengths and counts, if `verbose`.
pub(super) fn manifest(bucket: &str, files: &[Written], fields: &[Field], verbose: bool) -> String {
    let url = |file: &Written| format!("s3://{bucket}/{}", file.key);
    if !verbose {
        let entries: Vec<_> = files.iter().map(|file| json!({ "url": url(file) })).collect();
        return json!({ "entries": entries }).to_string();
    }
    let meta = |bytes: u64, lines: u64| json!({ "content_length": bytes, "record_count": lines });
    let entries: Vec<_> =
        files.iter().map(|file| json!({ "url": url(file), "meta": meta(file.bytes, file.lines) })).collect();
    let element = |field: &Field| {
        let mut kind = json!({ "base": field.base() });
        if let Some(size) = field.size {
            kind["precision"] = Value::from(size.precision);
            kind["scale"] = Value::from(size.scale);
        }
        json!({ "name": field.name, "type": kind })
    };
    json!({
        "entries": entries,
        "schema": { "elements": fields.iter().map(element).collect::<Vec<_>>() },
        "meta": meta(files.iter().map(|file| file.bytes).sum(), files.iter().map(|file| file.lines).sum()),
        "author": { "name": "Amazon Redshift", "version": "1.0.0" },
    })
    .to_string()
}
