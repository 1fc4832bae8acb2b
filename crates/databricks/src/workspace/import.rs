//! Notebooks and files on their way into the workspace.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use twinhouse_core::{Error, ErrorKind, Result, http::HeaderValue};

use super::{
    path,
    words::{ImportFormat, Language},
};
use crate::{api::Client, wire::ImportObject};

/// The most that the service takes.
pub(super) const LARGEST: usize = 10 << 20;
/// From here on the content travels as it is, in a form, and not in base64.
const LARGEST_IN_JSON: usize = 1 << 20;

/// A notebook or file to be put into the workspace.
///
/// ```
/// use twinhouse_databricks::workspace::{ImportRequest, Language};
///
/// let notebook = ImportRequest::new("/Shared/report", "print(1)").with_language(Language::Python);
/// # let _ = notebook;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportRequest {
    /// Where: `/…`.
    pub path: String,
    /// What, at most 10 MiB.
    pub content: Bytes,
    /// How it is written down. Default: the service's, which is [`ImportFormat::Source`].
    pub format: Option<ImportFormat>,
    /// In which language, for a notebook's source text. Default: what the path's ending says.
    pub language: Option<Language>,
    /// Whether an object that is there is replaced. Otherwise it is an error, [`ErrorKind::AlreadyExists`].
    pub overwrite: bool,
}

impl ImportRequest {
    /// This object, with this content. An object that is there stays.
    pub fn new(path: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self { path: path.into(), content: content.into(), format: None, language: None, overwrite: false }
    }

    /// How it is written down.
    #[must_use]
    pub fn with_format(mut self, format: ImportFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// In which language.
    #[must_use]
    pub fn with_language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }

    /// Replaces an object that is there.
    #[must_use]
    pub fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    fn is_source(&self) -> bool {
        matches!(self.format, None | Some(ImportFormat::Source))
    }

    /// The language of a source text, said or read from the path's ending.
    fn language(&self) -> Option<Language> {
        let by_ending = || {
            Some(match self.path.rsplit('/').next()?.rsplit_once('.')?.1 {
                "py" => Language::Python,
                "sql" => Language::Sql,
                "scala" => Language::Scala,
                "r" | "R" => Language::R,
                _ => return None,
            })
        };
        self.language.clone().or_else(|| self.is_source().then(by_ending).flatten())
    }

    fn check(&self) -> Result<()> {
        let bad = |field: &'static str, why: &'static str| {
            Err(Error::new(ErrorKind::InvalidInput, why).with_context("field", field))
        };
        let path = path::check(&self.path)?;
        if path == "/" {
            return bad("path", "the root of the workspace is no place to import to: name an object in it");
        }
        if self.content.len() > LARGEST {
            return bad("content", "the workspace takes at most 10 MiB: put larger files into a volume");
        }
        if self.is_source() && self.language().is_none() {
            return bad(
                "language",
                "a notebook's source text needs a language: say `with_language`, or `with_format` for something else",
            );
        }
        if self.overwrite && self.format == Some(ImportFormat::Dbc) {
            return bad("overwrite", "an archive replaces nothing: delete what is there first");
        }
        Ok(())
    }
}

pub(super) async fn import(client: &Client, request: &ImportRequest) -> Result<()> {
    request.check()?;
    let path = path::check(&request.path)?;
    let format = request.format.as_ref().map(ImportFormat::as_str);
    let language = request.language();
    let language = language.as_ref().map(Language::as_str);
    let overwrite = request.overwrite;
    if request.content.len() <= LARGEST_IN_JSON {
        let content = STANDARD.encode(&request.content);
        return client.workspace_import(&ImportObject { path, content, format, language, overwrite }).await;
    }
    let mut fields = vec![("path", path)];
    fields.extend(format.map(|format| ("format", format)));
    fields.extend(language.map(|language| ("language", language)));
    fields.extend(overwrite.then_some(("overwrite", "true")));
    let (form, media_type) = form(&fields, &request.content)?;
    client.workspace_import_form(form, media_type, overwrite).await
}

/// `multipart/form-data`, with the content last.
fn form(fields: &[(&str, &str)], content: &[u8]) -> Result<(Bytes, HeaderValue)> {
    // Nobody can write a file that has its own hash in it; and the same file makes the same form.
    let hash = Sha256::digest(content);
    let boundary: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut form = BytesMut::with_capacity(content.len() + 1024);
    for (name, value) in fields {
        form.put(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    }
    form.put(
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .as_bytes(),
    );
    form.put(content);
    form.put(format!("\r\n--{boundary}--\r\n").as_bytes());
    let media_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"))
        .map_err(|error| Error::new(ErrorKind::Internal, "a boundary that fits no header").with_source(error))?;
    Ok((form.freeze(), media_type))
}
