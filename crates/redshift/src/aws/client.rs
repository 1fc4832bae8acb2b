//! Signed requests over the shared HTTP client, repeated by the policy alone.

use std::{sync::Arc, time::SystemTime};

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{Body, HeaderName, HeaderValue, Http, Request, Url, header},
    resilience::{Operation, Policy},
};
use url::form_urlencoded;

use super::{Identity, error};

/// No answer of these calls comes near this many bytes.
const ANSWER: usize = 1 << 20;

/// A service of AWS, by the name that its requests are signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Redshift,
    RedshiftServerless,
    SecretsManager,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redshift => "redshift",
            Self::RedshiftServerless => "redshift-serverless",
            Self::SecretsManager => "secretsmanager",
        }
    }
}

/// Speaks to one service in one region. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct AwsClient {
    http: Http,
    policy: Policy,
    identity: Arc<Identity>,
    service: Service,
    region: String,
    url: Url,
}

impl AwsClient {
    pub(crate) fn new(service: Service, region: &str, endpoint: Option<&str>, identity: Arc<Identity>) -> Result<Self> {
        let name = service.name();
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = endpoint.map_or_else(|| format!("https://{name}.{region}.{domain}/"), str::to_owned);
        let url = Url::parse(&url)
            .map_err(|cause| Error::bad_setting("aws_endpoint", "configuration", "a URL").with_source(cause))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Self {
            http: Http::builder().build()?,
            policy: Policy::builder().server(name, host.as_str()).build(),
            identity,
            service,
            region: region.to_owned(),
            url,
        })
    }

    /// A call in JSON 1.1, of which nothing is harmed by a second one.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        name: &'static str,
        target: &'static str,
        input: &Value,
    ) -> Result<T> {
        let body = input.to_string();
        let answer = self.call(name, "application/x-amz-json-1.1", Some(target), body).await?;
        // Only the place is kept: serde quotes what it stumbled over.
        serde_json::from_str(&answer)
            .map_err(|cause| strange().with_context("at", format!("line {} column {}", cause.line(), cause.column())))
    }

    /// The same as a form, answered in XML.
    pub(crate) async fn form<T: DeserializeOwned>(&self, name: &'static str, input: &[(&str, &str)]) -> Result<T> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(input).finish();
        let answer = self.call(name, "application/x-www-form-urlencoded; charset=utf-8", None, body).await?;
        quick_xml::de::from_str(&answer).map_err(|_| strange())
    }

    async fn call(
        &self,
        name: &'static str,
        content_type: &'static str,
        target: Option<&'static str>,
        body: String,
    ) -> Result<String> {
        self.policy
            .execute(Operation::read(name).with_class("aws"), |attempt| {
                let body = body.clone();
                async move {
                    let request = self.signed(content_type, target, body).await?.with_timeout(attempt.timeout);
                    let response = self.http.send(request).await?;
                    let (status, headers) = (response.status(), response.headers().clone());
                    let body = response.into_bytes(ANSWER).await?;
                    if status.is_success() {
                        String::from_utf8(body.to_vec()).map_err(|_| strange())
                    } else {
                        Err(error::refused(self.service, status, &headers, &body))
                    }
                }
            })
            .await
    }

    /// Signed anew for each attempt: a signature is good for minutes only.
    async fn signed(&self, content_type: &'static str, target: Option<&'static str>, body: String) -> Result<Request> {
        let provider = self.identity.provider(&self.region).await;
        let identity = provider.provide_credentials().await.map_err(error::no_identity)?.into();
        let host = match self.url.port() {
            Some(port) => format!("{}:{port}", self.url.host_str().unwrap_or_default()),
            None => self.url.host_str().unwrap_or_default().to_owned(),
        };
        let mut headers = vec![("host", host.as_str()), ("content-type", content_type)];
        headers.extend(target.map(|target| ("x-amz-target", target)));
        let unsigned = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Internal, "the request to AWS could not be signed").with_source(cause)
        };
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service.name())
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|cause| unsigned(cause.into()))?
            .into();
        let signable = SignableRequest::new(
            "POST",
            self.url.as_str(),
            headers.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|cause| unsigned(cause.into()))?;
        let (signature, _) = sign(signable, &parameters).map_err(|cause| unsigned(cause.into()))?.into_parts();
        let mut request = Request::post(self.url.clone())
            .with_body(Body::bytes(body.clone()))
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(target) = target {
            request = request.with_header(HeaderName::from_static("x-amz-target"), HeaderValue::from_static(target));
        }
        for (name, value) in signature.headers() {
            let name = HeaderName::try_from(name).map_err(|cause| unsigned(cause.into()))?;
            let mut value = HeaderValue::try_from(value).map_err(|cause| unsigned(cause.into()))?;
            value.set_sensitive(true);
            request = request.with_header(name, value);
        }
        Ok(request)
    }
}

fn strange() -> Error {
    Error::new(ErrorKind::Protocol, "AWS did not answer with what was expected")
}
