//! `multipart/form-data`, as clients upload with it.

use http::{HeaderMap, header};

use super::reply::{ApiError, ApiResult};

/// The fields of a form that is in memory.
#[derive(Debug)]
pub(super) struct Form<'a>(Vec<(String, &'a [u8])>);

/// The boundary, if the body is a form.
pub(super) fn boundary(headers: &HeaderMap) -> ApiResult<Option<String>> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut parts = kind.split(';');
    if !parts.next().is_some_and(|first| first.trim().eq_ignore_ascii_case("multipart/form-data")) {
        return Ok(None);
    }
    let named = parts.find_map(|part| part.trim().strip_prefix("boundary="));
    let boundary = named.map(|boundary| boundary.trim_matches('"')).filter(|boundary| !boundary.is_empty());
    boundary.map(|boundary| Some(boundary.to_owned())).ok_or_else(|| ApiError::malformed("a form without boundary"))
}

impl<'a> Form<'a> {
    pub(super) fn parse(body: &'a [u8], boundary: &str) -> ApiResult<Self> {
        let bad = |what: &str| ApiError::malformed(format!("The form cannot be read: {what}"));
        let bar = format!("--{boundary}");
        let begin = find(body, bar.as_bytes()).ok_or_else(|| bad("it has no boundary"))?;
        let mut rest = &body[begin + bar.len()..];
        let next = format!("\r\n{bar}");
        let mut fields = Vec::new();
        while !rest.starts_with(b"--") {
            let part = rest.strip_prefix(b"\r\n").ok_or_else(|| bad("a boundary is not the end of its line"))?;
            let end = find(part, next.as_bytes()).ok_or_else(|| bad("its last boundary is missing"))?;
            let (head, content) = match find(&part[..end], b"\r\n\r\n") {
                Some(blank) => (&part[..blank], &part[blank + 4..end]),
                None => return Err(bad("a part has no head")),
            };
            let head = String::from_utf8_lossy(head);
            let name = name(&head).ok_or_else(|| bad("a part has no name"))?;
            fields.push((name, content));
            rest = &part[end + next.len()..];
        }
        Ok(Self(fields))
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, content)| *content)
    }

    pub(super) fn text(&self, name: &str) -> ApiResult<Option<String>> {
        let text = self.bytes(name).map(|content| String::from_utf8(content.to_vec())).transpose();
        text.map_err(|_| ApiError::malformed(format!("{name} is not UTF-8")))
    }
}

/// The `name` of a part's Content-Disposition.
fn name(head: &str) -> Option<String> {
    let disposition = head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let named = disposition.split(';').find_map(|part| part.trim().strip_prefix("name="))?;
    Some(named.trim_matches('"').to_owned())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_its_fields_byte_by_byte() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/a b\r\n--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\n\0\r\n--c\r\n\xff\r\n--b--\r\n";
        let form = Form::parse(body, "b").unwrap();
        assert_eq!(form.text("path").unwrap().as_deref(), Some("/a b"));
        assert_eq!(form.bytes("content"), Some(&b"\0\r\n--c\r\n\xff"[..]));
        assert_eq!(form.bytes("other"), None);
        assert!(Form::parse(&body[..60], "b").is_err());
        assert!(Form::parse(b"", "b").is_err());
    }
}
