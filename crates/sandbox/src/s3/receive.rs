//! The body of an upload, on its way into a draft.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::StreamExt as _;
use http::HeaderMap;
use s3s::{
    S3Result, TrailingHeaders,
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Md5},
    dto, s3_error,
};
use tokio::io::AsyncWriteExt as _;

use super::files::{Draft, broken};

const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

/// What arrived.
pub(super) struct Received {
    pub(super) draft: Draft,
    pub(super) md5: String,
    pub(super) checksums: dto::Checksum,
}

/// Writes the body into the draft and checks every digest that the client sent, before or after it.
pub(super) async fn receive(
    draft: Draft,
    body: Option<dto::StreamingBlob>,
    headers: &HeaderMap,
    trailers: Option<&TrailingHeaders>,
) -> S3Result<Received> {
    let mut hasher = hasher(headers);
    let mut md5 = Md5::new();
    let mut file = tokio::fs::File::from_std(draft.file.try_clone().map_err(broken)?);
    let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| s3_error!(IncompleteBody))?;
        hasher.update(&chunk);
        md5.update(&chunk);
        file.write_all(&chunk).await.map_err(broken)?;
    }
    // Writing goes on behind `write_all`, and so may fail after it.
    file.flush().await.map_err(broken)?;

    let (checksums, md5) = (hasher.finalize(), md5.finalize());
    let trailers = trailers.and_then(TrailingHeaders::take).unwrap_or_default();
    for algorithm in ALGORITHMS {
        let name = format!("x-amz-checksum-{algorithm}");
        let sent = headers.get(&name).or_else(|| trailers.get(&name));
        if sent.is_some_and(|sent| value(&checksums, algorithm).as_deref().map(str::as_bytes) != Some(sent.as_bytes()))
        {
            return Err(s3_error!(BadDigest, "the {algorithm} checksum does not fit the body"));
        }
    }
    if headers.get("content-md5").is_some_and(|sent| sent.as_bytes() != STANDARD.encode(md5.as_ref()).as_bytes()) {
        return Err(s3_error!(BadDigest, "the Content-MD5 does not fit the body"));
    }
    Ok(Received { draft, md5: hex(md5.as_ref()), checksums })
}

/// Computes what the client sends, and what it announces to send behind the body.
fn hasher(headers: &HeaderMap) -> ChecksumHasher {
    let wanted = |algorithm: &str| {
        let named = |header: &str| {
            headers.get_all(header).iter().filter_map(|value| value.to_str().ok()).any(|value| {
                value.split(',').any(|word| {
                    let word = word.trim().to_ascii_lowercase();
                    word.strip_prefix("x-amz-checksum-").unwrap_or(&word) == algorithm
                })
            })
        };
        headers.contains_key(format!("x-amz-checksum-{algorithm}"))
            || named("x-amz-trailer")
            || named("x-amz-sdk-checksum-algorithm")
    };
    ChecksumHasher {
        crc32: wanted("crc32").then(Default::default),
        crc32c: wanted("crc32c").then(Default::default),
        crc64nvme: wanted("crc64nvme").then(Default::default),
        sha1: wanted("sha1").then(Default::default),
        sha256: wanted("sha256").then(Default::default),
    }
}

fn value<'a>(checksums: &'a dto::Checksum, algorithm: &str) -> &'a Option<String> {
    match algorithm {
        "crc32" => &checksums.checksum_crc32,
        "crc32c" => &checksums.checksum_crc32c,
        "crc64nvme" => &checksums.checksum_crc64nvme,
        "sha1" => &checksums.checksum_sha1,
        _ => &checksums.checksum_sha256,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
