//! Logging in: the start-up message and whatever proof the server asks for.

use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    },
    message::frontend,
};
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result, Secret};

use super::{
    connection::{Connection, Frame},
    message::{Body, malformed, tag, unexpected},
};
use crate::error::harmless;

/// Who logs in, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Login<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a Secret,
    pub(crate) database: &'a str,
    pub(crate) application: Option<&'a str>,
}

/// Process id and key with which the server takes requests to cancel.
pub(crate) type BackendKey = (i32, i32);

/// Sends the start-up message, proves who we are and waits until the server is ready.
pub(crate) async fn log_in(connection: &mut Connection, login: &Login<'_>) -> Result<BackendKey> {
    for (part, text) in [("user", login.user), ("password", login.password.expose()), ("database", login.database)] {
        if text.contains('\0') {
            return Err(Error::new(ErrorKind::Config, "what is needed to log in must not hold a NUL")
                .with_fault(Fault::PERMANENT)
                .with_context("part", part));
        }
    }
    // Redshift refuses start-up settings that other servers take, so nothing goes here that can be SET later.
    let mut parameters = vec![("client_encoding", "UTF8"), ("user", login.user), ("database", login.database)];
    parameters.extend(login.application.map(|name| ("application_name", name)));
    connection.put(|out| frontend::startup_message(parameters, out))?;
    connection.send(1).await.map_err(harmless)?;
    authenticate(connection, login).await.map_err(harmless)?;
    session_start(connection).await.map_err(harmless)
}

async fn authenticate(connection: &mut Connection, login: &Login<'_>) -> Result<()> {
    let mut scram: Option<ScramSha256> = None;
    loop {
        let frame = connection.next().await?;
        if frame.tag == tag::ERROR {
            return Err(connection.take_error(frame)?);
        }
        if frame.tag != tag::AUTHENTICATION {
            return Err(unexpected(frame.tag));
        }
        let mut body = Body::new(connection.body(frame));
        let code = body.int()?;
        let rest = body.rest().to_vec();
        connection.discard(frame)?;
        match code {
            0 => return Ok(()),
            3 => answer(connection, login.password.expose().as_bytes()).await?,
            5 => {
                let salt: [u8; 4] = rest.try_into().map_err(|_| malformed())?;
                let hash = md5_hash(login.user.as_bytes(), login.password.expose().as_bytes(), salt);
                answer(connection, hash.as_bytes()).await?;
            }
            10 => {
                let offered = rest.split(|&byte| byte == 0).any(|name| name == SCRAM_SHA_256.as_bytes());
                if !offered {
                    return Err(unsupported("SASL without SCRAM-SHA-256"));
                }
                let new = ScramSha256::new(login.password.expose().as_bytes(), ChannelBinding::unsupported());
                connection.put(|out| frontend::sasl_initial_response(SCRAM_SHA_256, new.message(), out))?;
                connection.send(0).await?;
                scram = Some(new);
            }
            11 => {
                let exchange = scram.as_mut().ok_or_else(malformed)?;
                exchange.update(&rest).map_err(distrusted)?;
                let message = exchange.message().to_vec();
                connection.put(|out| frontend::sasl_response(&message, out))?;
                connection.send(0).await?;
            }
            12 => scram.as_mut().ok_or_else(malformed)?.finish(&rest).map_err(distrusted)?,
            13 => return Err(unsupported("Redshift's SHA-256 digest, for users created with a sha256 password")),
            14 => return Err(unsupported("a token of an identity provider or IAM Identity Center")),
            2 | 7 | 8 | 9 => return Err(unsupported("Kerberos, GSSAPI or SSPI")),
            _ => return Err(unsupported("an unknown method").with_context("code", code.to_string())),
        }
    }
}

async fn answer(connection: &mut Connection, password: &[u8]) -> Result<()> {
    connection.put(|out| frontend::password_message(password, out))?;
    connection.send(0).await
}

async fn session_start(connection: &mut Connection) -> Result<BackendKey> {
    let mut key = None;
    loop {
        let frame = connection.next().await?;
        match frame.tag {
            tag::BACKEND_KEY_DATA => key = Some(backend_key(connection, frame)?),
            tag::ERROR => return Err(connection.take_error(frame)?),
            tag::READY_FOR_QUERY => {
                connection.discard(frame)?;
                return key.ok_or_else(|| {
                    Error::new(ErrorKind::Protocol, "the server gave no key to cancel with")
                        .with_fault(Fault::PERMANENT)
                });
            }
            other => return Err(unexpected(other)),
        }
        connection.discard(frame)?;
    }
}

fn backend_key(connection: &Connection, frame: Frame) -> Result<BackendKey> {
    let mut body = Body::new(connection.body(frame));
    Ok((body.int()?, body.int()?))
}

/// The server asks for a proof that this client does not give.
fn unsupported(method: &'static str) -> Error {
    Error::unsupported("redshift", "the server asks for an authentication method that this client does not have")
        .with_context("method", method)
        .with_context("supported", "password (cleartext, MD5, SCRAM-SHA-256), temporary IAM credentials as a password")
}

/// The exchange failed on our side: the server does not know the password either, or is not the one it says it is.
fn distrusted(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Unauthenticated, "the password exchange with the server failed")
        .with_fault(Fault { effect: Effect::None, ..Fault::PERMANENT })
        .with_source(cause)
}
