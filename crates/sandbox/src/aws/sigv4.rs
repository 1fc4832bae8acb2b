//! AWS Signature Version 4, from the side that checks it.

use std::collections::BTreeMap;

use axum::http::request::Parts;
use chrono::{NaiveDateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::{
    access::{Caller, Keys},
    answer::Failure,
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a request's clock may be off.
const SKEW: TimeDelta = TimeDelta::minutes(15);
/// What stands for itself in a canonical query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who signed, and for which service.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) caller: Caller,
    pub(super) service: String,
}

struct Authorization<'a> {
    key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Result<Self, Failure> {
        let fields = header.strip_prefix(ALGORITHM).ok_or_else(Failure::unsigned)?;
        let fields: BTreeMap<_, _> = fields.split(',').filter_map(|field| field.trim().split_once('=')).collect();
        let field = |name: &str| fields.get(name).copied().ok_or_else(|| Failure::incomplete(name));
        let mut scope = field("Credential")?.split('/');
        let mut part = || scope.next().ok_or_else(|| Failure::incomplete("Credential"));
        Ok(Self {
            key_id: part()?,
            date: part()?,
            region: part()?,
            service: part()?,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        })
    }
}

/// Who sent the request, if its signature is theirs.
pub(super) fn verify(keys: &Keys, region: &str, head: &Parts, body: &[u8]) -> Result<Signer, Failure> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let said = Authorization::parse(header("authorization").ok_or_else(Failure::unsigned)?)?;
    let time = header("x-amz-date").ok_or_else(|| Failure::incomplete("x-amz-date"))?;
    let (caller, secret) = keys.find(said.key_id, header("x-amz-security-token"))?;
    if said.region != region {
        let why = format!("Credential should be scoped to a valid region, not '{}'. ", said.region);
        return Err(Failure::bad_signature(&why));
    }
    let sent = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").map_err(|_| Failure::incomplete("x-amz-date"))?;
    if (Utc::now().naive_utc() - sent).abs() > SKEW || !time.starts_with(said.date) {
        return Err(Failure::bad_signature(&format!("Signature expired: {time} is too far from now")));
    }

    let mut canonical = format!("{}\n{}\n{}\n", head.method, head.uri.path(), query(head.uri.query().unwrap_or("")));
    for name in said.signed_headers.split(';') {
        let values: Vec<_> = head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        let words = values.join(",");
        let words: Vec<_> = words.split_whitespace().collect();
        canonical.push_str(&format!("{name}:{}\n", words.join(" ")));
    }
    // The body's hash goes in as it is here: a body that was changed on its way does not match.
    canonical.push_str(&format!("\n{}\n{}", said.signed_headers, hex(&Sha256::digest(body))));

    let scope = format!("{}/{}/{}/aws4_request", said.date, said.region, said.service);
    let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let first = format!("AWS4{}", secret.expose()).into_bytes();
    let key = [said.date, said.region, said.service, "aws4_request"]
        .iter()
        .fold(first, |key, part| hmac(&key, part.as_bytes()).to_vec());
    if hex(&hmac(&key, to_sign.as_bytes())) != said.signature {
        return Err(Failure::bad_signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ));
    }
    if !said.signed_headers.split(';').any(|name| name == "host") {
        return Err(Failure::bad_signature("'Host' must be a 'SignedHeader' in the AWS Authorization. "));
    }
    Ok(Signer { caller, service: said.service.to_owned() })
}

fn query(text: &str) -> String {
    let encoded =
        |part: &str| utf8_percent_encode(&percent_decode_str(part).decode_utf8_lossy(), UNRESERVED).to_string();
    let mut pairs: Vec<_> = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// RFC 2104 over SHA-256.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_examples_hold() {
        // RFC 4231, cases 1 and 6.
        let one = hmac(&[0x0b; 20], b"Hi There");
        assert_eq!(hex(&one), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let six = hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(&six), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
        assert_eq!(query("b=2&a=x%20y&a="), "a=&a=x%20y&b=2");
    }

    /// The example that AWS documents for IAM's ListUsers, moved to now: only its clock is not of today.
    #[test]
    fn a_signature_of_another_day_is_too_late() {
        let keys = Keys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
        let request = axum::http::Request::builder()
            .uri("/?Action=ListUsers&Version=2010-05-08")
            .header("host", "iam.amazonaws.com")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .header("x-amz-date", "20150830T123600Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            )
            .body(())
            .unwrap();
        let failure = verify(&keys, "us-east-1", &request.into_parts().0, b"").unwrap_err();
        assert!(format!("{failure:?}").contains("Signature expired"), "{failure:?}");
    }
}
