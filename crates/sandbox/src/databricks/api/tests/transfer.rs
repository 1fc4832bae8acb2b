//! Files past the workspace: in parts, in pieces, by links.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::*;

const FILE: &str = "/Volumes/main/default/v/d/é f";
const CALL: &str = "/api/2.0/fs/files/Volumes/main/default/v/d/%C3%A9%20f";
const PART: usize = 5 << 20;

impl Server {
    async fn of_volume(quirks: Quirks) -> Self {
        let server = Self::with(quirks).await;
        server.sql("CREATE VOLUME v").await;
        server
    }

    async fn post_json(&self, path: &str, body: Value) -> (u16, Value) {
        self.answer(self.request(Method::POST, path).json(&body)).await
    }

    async fn begin(&self, overwrite: bool) -> (u16, Value) {
        self.post_json(&format!("{CALL}?action=initiate-upload&overwrite={overwrite}"), json!({})).await
    }

    async fn begun(&self) -> String {
        let (status, begun) = self.begin(true).await;
        assert_eq!(status, 200, "{begun}");
        begun["multipart_upload"]["session_token"].as_str().unwrap().to_owned()
    }

    async fn link(&self, call: &str, field: &str, token: &str, more: Value) -> String {
        let mut body = json!({ "path": FILE, "session_token": token });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = self.post_json(&format!("/api/2.0/fs/{call}"), body).await;
        assert_eq!(status, 200, "{answer}");
        answer[field]["url"].as_str().unwrap().to_owned()
    }

    async fn part_links(&self, token: &str, start: u64, count: u64) -> Vec<String> {
        let body = json!({ "path": FILE, "session_token": token, "start_part_number": start, "count": count });
        let (status, answer) = self.post_json("/api/2.0/fs/create-upload-part-urls", body).await;
        assert_eq!(status, 200, "{answer}");
        let links = answer["upload_part_urls"].as_array().unwrap().clone();
        assert!(links.iter().zip(start..).all(|(link, number)| link["part_number"] == number));
        links.iter().map(|link| link["url"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends to a link, which knows no token.
    async fn send_to(&self, link: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        let answer = self.client.put(link).body(body).send().await.unwrap();
        let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, etag.unwrap_or(text))
    }

    async fn complete(&self, token: &str, parts: Value) -> (u16, Value) {
        let query = format!("?action=complete-upload&upload_type=multipart&session_token={token}");
        self.post_json(&format!("{CALL}{query}"), json!({ "parts": parts })).await
    }

    async fn stored(&self) -> Option<Bytes> {
        let answer = self.get(CALL).send().await.unwrap();
        (answer.status() == 200).then_some(answer.bytes().await.unwrap())
    }
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[tokio::test]
async fn parts_come_in_any_order_and_make_one_file_that_copy_into_reads() {
    let server = Server::of_volume(Quirks::default()).await;
    let content = noise(2 * PART + 7);
    let token = server.begun().await;
    let links = server.part_links(&token, 1, 3).await;
    let mut parts = Vec::new();
    for number in [3, 1, 2] {
        let at = (number - 1) * PART;
        let part = content[at..content.len().min(at + PART)].to_vec();
        let (status, etag) = server.send_to(&links[number - 1], part).await;
        assert!(status == 200 && etag.starts_with('"'), "{status} {etag}");
        parts.push(json!({ "part_number": number, "etag": etag }));
    }
    assert_eq!(server.stored().await, None, "nothing is there before it is complete");
    parts.sort_by_key(|part| part["part_number"].as_u64());
    assert_eq!(server.complete(&token, json!(parts)).await.0, 200);
    assert!(server.stored().await.unwrap() == content);
    // It is over.
    let (status, again) = server.complete(&token, json!(parts)).await;
    assert_eq!((status, &again["error_code"]), (404, &json!("NOT_FOUND")));
    assert_eq!(std::fs::read_dir(server.folder.path().join("uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_completion_with_wrong_words_makes_no_file_and_can_be_mended() {
    let server = Server::of_volume(Quirks::default()).await;
    let token = server.begun().await;
    let links = server.part_links(&token, 1, 2).await;
    let first = server.send_to(&links[0], noise(PART)).await.1;
    let second = server.send_to(&links[1], "end").await.1;
    let part = |number: u64, etag: &str| json!({ "part_number": number, "etag": etag });
    for wrong in [
        json!([]),
        json!([part(1, &second), part(2, &second)]),
        json!([part(2, &second), part(1, &first)]),
        json!([part(1, &first), part(3, &second)]),
        json!([part(1, &first), part(1, &first)]),
    ] {
        assert_eq!(server.complete(&token, wrong.clone()).await.0, 400, "{wrong}");
        assert_eq!(server.stored().await, None);
    }
    // A part that is not the last has at least 5 MiB.
    let small = server.part_links(&token, 3, 1).await;
    let third = server.send_to(&small[0], "x").await.1;
    let (status, refusal) = server.complete(&token, json!([part(2, &second), part(3, &third)])).await;
    assert!(status == 400 && refusal["message"].as_str().unwrap().contains("EntityTooSmall"), "{refusal}");
    // Without the quotes, and without the part that was sent in vain.
    let bare = json!([part(1, first.trim_matches('"')), part(2, &second)]);
    assert_eq!(server.complete(&token, bare).await.0, 200);
    assert_eq!(server.stored().await.unwrap().len(), PART + 3);
}

#[tokio::test]
async fn links_open_one_thing_by_one_method_until_some_time_and_without_tokens() {
    let server = Server::of_volume(Quirks::default()).await;
    let token = server.begun().await;
    let link = server.part_links(&token, 1, 1).await.remove(0);
    let refused = async |request: RequestBuilder| {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    };
    let (status, text) = refused(server.client.put(&link).bearer_auth(TOKEN).body("x")).await;
    assert!(status == 400 && text.contains("Only one auth mechanism"), "{text}");
    let other = link.replace("/1?", "/2?");
    let (status, text) = refused(server.client.put(&other).body("x")).await;
    assert!(status == 403 && text.contains("SignatureDoesNotMatch"), "{text}");
    let chunked = reqwest::Body::wrap_stream(futures::stream::iter([std::io::Result::Ok("x")]));
    assert_eq!(refused(server.client.put(&link).body(chunked)).await.0, 411);
    assert_eq!(server.send_to(&link, "x").await.0, 200);
    // Where links live no time at all.
    let brief = Server::of_volume(Quirks { link_lifetime: Duration::ZERO, ..Quirks::default() }).await;
    let old = brief.part_links(&brief.begun().await, 1, 1).await.remove(0);
    let (status, text) = refused(brief.client.put(&old).body("x")).await;
    assert!(
        status == 403 && text.contains("<Code>AccessDenied</Code>") && text.contains("Request has expired"),
        "{text}"
    );
}

#[tokio::test]
async fn an_upload_can_be_given_up_and_one_into_a_taken_name_is_refused_twice() {
    let server = Server::of_volume(Quirks::default()).await;
    let (_, begun) = server.begin(false).await;
    let token = begun["multipart_upload"]["session_token"].as_str().unwrap().to_owned();
    let etag = server.send_to(&server.part_links(&token, 1, 1).await[0], "late").await.1;
    // Somebody else is faster.
    assert_eq!(server.answer(server.request(Method::PUT, CALL).body("first")).await.0, 204);
    let parts = json!([{ "part_number": 1, "etag": etag }]);
    let (status, refusal) = server.complete(&token, parts).await;
    assert_eq!((status, &refusal["error_code"]), (409, &json!("ALREADY_EXISTS")));
    let abort = server.link("create-abort-upload-url", "abort_upload_url", &token, json!({})).await;
    assert_eq!(server.client.delete(&abort).send().await.unwrap().status(), 200);
    assert_eq!(server.client.delete(&abort).send().await.unwrap().status(), 404);
    assert_eq!(server.stored().await.unwrap(), "first");
    assert_eq!(server.begin(false).await.0, 409);
    let (status, refusal) =
        server.post_json("/api/2.0/fs/create-abort-upload-url", json!({ "path": FILE, "session_token": token })).await;
    let reason = &refusal["details"][0]["reason"];
    assert_eq!((status, reason), (404, &json!("FILES_API_UPLOAD_SESSION_NOT_FOUND")));
    assert_eq!(std::fs::read_dir(server.folder.path().join("uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn pieces_are_kept_in_grains_and_the_last_one_makes_the_file() {
    const GRAIN: usize = 256 << 10;
    let server = Server::of_volume(Quirks { resumable_uploads: true, ..Quirks::default() }).await;
    let (_, begun) = server.begin(true).await;
    let token = begun["resumable_upload"]["session_token"].as_str().unwrap().to_owned();
    let link = server.link("create-resumable-upload-url", "resumable_upload_url", &token, json!({})).await;
    let content = noise(3 * GRAIN);
    let put = async |range: &str, body: &[u8]| {
        let request = server.client.put(&link).header("content-range", range).body(body.to_vec());
        let answer = request.send().await.unwrap();
        let range = answer.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
        (answer.status().as_u16(), range.unwrap_or_default())
    };
    assert_eq!(put("bytes */*", b"").await, (308, String::new()));
    let end = GRAIN + 100;
    let kept = format!("bytes=0-{}", GRAIN - 1);
    assert_eq!(put(&format!("bytes 0-{}/*", end - 1), &content[..end]).await, (308, kept.clone()));
    // A gap is not filled.
    assert_eq!(put(&format!("bytes {end}-{}/*", content.len() - 1), &content[end..]).await, (308, kept.clone()));
    assert_eq!(put("bytes */*", b"").await, (308, kept));
    assert_eq!(put("bytes 0-9/*", b"short").await.0, 400);
    let total = content.len();
    assert_eq!(put(&format!("bytes {GRAIN}-{}/{total}", total - 1), &content[GRAIN..]).await.0, 200);
    assert_eq!(put(&format!("bytes */{total}"), b"").await.0, 200);
    assert!(server.stored().await.unwrap() == content);
    assert_eq!(server.client.delete(&link).send().await.unwrap().status().as_u16(), 499);
}

#[tokio::test]
async fn a_link_to_a_file_is_served_as_storage_does_with_ranges_and_marks() {
    let server = Server::of_volume(Quirks::default()).await;
    assert_eq!(server.answer(server.request(Method::PUT, CALL).body("0123456789")).await.0, 204);
    let call = "/api/2.0/fs/create-download-url";
    let end = (Utc::now() + TimeDelta::hours(1)).to_rfc3339();
    let asked = server.request(Method::POST, call).query(&[("path", FILE), ("expire_time", &end)]);
    let (status, answer) = server.answer(asked).await;
    assert_eq!((status, &answer["headers"]), (200, &json!([])));
    let link = answer["url"].as_str().unwrap();
    let part = server.client.get(link).header("range", "bytes=3-5").send().await.unwrap();
    assert_eq!((part.status().as_u16(), &part.headers()["content-range"]), (206, &"bytes 3-5/10".parse().unwrap()));
    let etag = part.headers()["etag"].clone();
    assert_eq!(part.text().await.unwrap(), "345");
    let same = server.client.get(link).header("if-match", &etag).send().await.unwrap();
    assert_eq!(same.text().await.unwrap(), "0123456789");
    let replace = server.request(Method::PUT, CALL).query(&[("overwrite", "true")]).body("abcdefghij");
    assert_eq!(server.answer(replace).await.0, 204);
    let other = server.client.get(link).header("if-match", &etag).send().await.unwrap();
    assert_eq!(other.status(), 412);
    assert!(other.text().await.unwrap().contains("PreconditionFailed"));
    assert_eq!(server.client.get(link).header("range", "bytes=99-").send().await.unwrap().status(), 416);
    let (status, missing) = server.post_json(call, json!({ "path": "/Volumes/main/default/v/none" })).await;
    assert_eq!((status, &missing["details"][0]["reason"]), (404, &json!("FILES_API_RESOURCE_NOT_FOUND")));
    let past = server.request(Method::POST, call).query(&[("path", FILE), ("expire_time", "2001-01-01T00:00:00Z")]);
    assert_eq!(server.refusal(past).await, (400, json!("INVALID_PARAMETER_VALUE")));
    // The workspace's calls want the token.
    assert_eq!(server.client.post(format!("{}{call}", server.url)).send().await.unwrap().status(), 401);
}
