//! How a connection begins: TLS, start-up parameters, a password, or a wish to cancel.

use std::{io, sync::Arc};

use bytes::{BufMut as _, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::{
    front::Shared,
    logins::Admitted,
    membership::Membership,
    record::Asker,
    relay::parameter_is_shown,
    report::Report,
    session::{ClientIo, start_up_parameters},
    settings,
    wire::{Body, Messages, put, put_cstr, ready, strings},
};
use crate::{faults::FaultyStream, postgres::PostgresAddress};

const PROTOCOL: u32 = 196_608;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// What `server_version` says; `version()` says the rest.
const SERVER_VERSION: &str = "8.0.2";

/// A server that was killed is back within seconds; these are a twentieth of one each.
const TRIES: u32 = 200;

/// Start-up parameters of Redshift's own drivers that change nothing here.
const IGNORED: &[&str] = &[
    "client_protocol_version",
    "driver_version",
    "os_version",
    "plugin_name",
    "driver_discovery_version",
    "idp_type",
    "provider_name",
    "token_type",
    "identity_namespace",
    "idc_client_display_name",
];

/// A client that has told who it is and has a session at the engine.
pub(super) struct Greeted {
    pub(super) client: Messages<ClientIo>,
    pub(super) engine: Messages<UnixStream>,
    pub(super) asker: Asker,
    /// What the engine wants of whoever cancels.
    pub(super) engine_secret: i32,
    /// What we want of them.
    pub(super) secret: i32,
    pub(super) query_group: String,
    /// What a temporary credential lends the session.
    pub(super) membership: Option<Membership>,
    /// ParameterStatus, BackendKeyData and ReadyForQuery, to send when the session is registered.
    pub(super) welcome: BytesMut,
}

/// Leads a connection to its session; `None` if it was a cancel request, was refused, or went away.
pub(super) async fn greet(shared: &Arc<Shared>, tcp: FaultyStream) -> io::Result<Option<Greeted>> {
    let mut client = Messages::new(Box::new(tcp) as ClientIo);
    let mut secure = false;
    loop {
        let Some(packet) = client.start_up().await? else { return Ok(None) };
        match u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]) {
            SSL_REQUEST if !secure => {
                if !client.buffer.is_empty() {
                    // Sent in the clear before the handshake: nobody honest does that.
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "data before the TLS handshake"));
                }
                let mut io = client.into_io();
                io.write_all(b"S").await?;
                io.flush().await?;
                let tls = tokio_rustls::TlsAcceptor::from(Arc::clone(&shared.tls)).accept(io).await?;
                client = Messages::new(Box::new(tls) as ClientIo);
                secure = true;
            }
            SSL_REQUEST | GSS_REQUEST => {
                let mut io = client.into_io();
                io.write_all(b"N").await?;
                io.flush().await?;
                client = Messages::new(io);
            }
            CANCEL_REQUEST => {
                let mut body = Body(&packet[8..]);
                shared.cancel(body.i32(), body.i32()).await;
                return Ok(None);
            }
            PROTOCOL => {
                let parameters = start_up_parameters(&packet);
                return match enter(shared, &mut client, parameters, secure).await? {
                    Ok(entered) => Ok(Some(entered.greeted(client))),
                    Err(report) => {
                        let mut out = BytesMut::new();
                        report.put(&mut out);
                        let mut io = client.into_io();
                        io.write_all(&out).await?;
                        io.shutdown().await?;
                        Ok(None)
                    }
                };
            }
            other => {
                let (major, minor) = (other >> 16, other & 0xffff);
                let mut out = BytesMut::new();
                Report::fatal("0A000", format!("unsupported frontend protocol {major}.{minor}")).put(&mut out);
                let mut io = client.into_io();
                io.write_all(&out).await?;
                io.shutdown().await?;
                return Ok(None);
            }
        }
    }
}

struct Entered {
    engine: Engine,
    user: String,
    database: String,
    query_group: String,
    membership: Option<Membership>,
}

impl Entered {
    fn greeted(self, client: Messages<ClientIo>) -> Greeted {
        let secret = fastrand::i32(..);
        let mut welcome = BytesMut::new();
        put(&mut welcome, b'R', |out| out.put_i32(0));
        for (name, value) in [("server_version", SERVER_VERSION), ("server_encoding", "UTF8")] {
            put(&mut welcome, b'S', |out| {
                put_cstr(out, name);
                put_cstr(out, value);
            });
        }
        welcome.extend_from_slice(&self.engine.parameters);
        put(&mut welcome, b'K', |out| {
            out.put_i32(self.engine.pid);
            out.put_i32(secret);
        });
        ready(&mut welcome, b'I');
        Greeted {
            client,
            engine: self.engine.messages,
            asker: Asker { pid: self.engine.pid, user: self.user, database: self.database },
            engine_secret: self.engine.secret,
            secret,
            query_group: self.query_group,
            membership: self.membership,
            welcome,
        }
    }
}

async fn enter(
    shared: &Arc<Shared>,
    client: &mut Messages<ClientIo>,
    parameters: Vec<(String, String)>,
    secure: bool,
) -> io::Result<Result<Entered, Report>> {
    let (mut user, mut database, mut query_group) = (String::new(), String::new(), String::new());
    let mut settings: Vec<(String, String)> = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            "user" => user = value,
            "database" => database = value,
            "options" => settings.extend(options(&value)),
            "replication" => return Ok(Err(Report::fatal("0A000", "replication is not supported"))),
            name if IGNORED.contains(&name) || name.starts_with("_pq_.") => {}
            _ => settings.push((name, value)),
        }
    }
    if user.is_empty() {
        return Ok(Err(Report::fatal("28000", "no PostgreSQL user name specified in startup packet")));
    }
    if database.is_empty() {
        database.clone_from(&user);
    }
    if !secure && shared.require_ssl {
        let message =
            format!("no pg_hba.conf entry for host \"127.0.0.1\", user \"{user}\", database \"{database}\", SSL off");
        return Ok(Err(Report::fatal("28000", message)));
    }
    let Some(Admitted { user, temporary }) = authenticate(shared, client, &user).await? else {
        return Ok(Err(Report::fatal("28000", format!("password authentication failed for user \"{user}\""))));
    };
    let mut wanted = Vec::new();
    for (name, value) in settings {
        if name.eq_ignore_ascii_case("query_group") {
            query_group.clone_from(&value);
        }
        match settings::engine_name(&name, Some(&value)) {
            Ok(name) => wanted.push((name, value)),
            Err(report) => return Ok(Err(report.and_fatal())),
        }
    }
    if !shared.databases.contains(&database) {
        return Ok(Err(Report::fatal("3D000", format!("database \"{database}\" does not exist"))));
    }
    if temporary.as_ref().and_then(|issued| issued.database.as_ref()).is_some_and(|only| *only != database) {
        return Ok(Err(Report::fatal("28000", format!("password authentication failed for user \"{user}\""))));
    }
    let membership = match &temporary {
        None => None,
        Some(issued) => match Membership::enter(shared, issued).await {
            Ok(membership) => Some(membership),
            Err(report) => return Ok(Err(report)),
        },
    };
    match Engine::open(&shared.postgres, &user, &database, &wanted).await {
        Ok(engine) => Ok(Ok(Entered { engine, user, database, query_group, membership })),
        Err(report) => {
            if let Some(membership) = membership {
                membership.leave().await;
            }
            Ok(Err(report))
        }
    }
}

/// `-c name=value` and `--name=value`.
fn options(text: &str) -> Vec<(String, String)> {
    let mut words = text.split_whitespace();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word {
            "-c" => words.next(),
            word => word.strip_prefix("-c").or_else(|| word.strip_prefix("--")),
        };
        if let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) {
            settings.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    settings
}

/// MD5, the default for users made with a plain password.
async fn authenticate(shared: &Shared, client: &mut Messages<ClientIo>, user: &str) -> io::Result<Option<Admitted>> {
    let salt: [u8; 4] = std::array::from_fn(|_| fastrand::u8(..));
    let mut request = BytesMut::new();
    put(&mut request, b'R', |out| {
        out.put_i32(5);
        out.put_slice(&salt);
    });
    client.write(&request).await?;
    let Some(answer) = client.next().await? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
    if answer.tag() != b'p' {
        return Ok(None);
    }
    let said = Body(answer.body()).cstr();
    Ok(shared.logins.admit(user, |password| {
        let hash = postgres_protocol::authentication::md5_hash(user.as_bytes(), password.expose().as_bytes(), salt);
        said == hash.as_bytes()
    }))
}

impl Messages<ClientIo> {
    /// Writes to the stream; only while both directions are in one hand.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io_mut().write_all(bytes).await?;
        self.io_mut().flush().await
    }
}

/// A session of the engine.
pub(super) struct Engine {
    pub(super) messages: Messages<UnixStream>,
    pub(super) pid: i32,
    pub(super) secret: i32,
    /// ParameterStatus messages that the client may see.
    parameters: BytesMut,
}

impl Engine {
    /// Opens one. A server that is just coming back is waited for.
    async fn open(
        postgres: &PostgresAddress,
        user: &str,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<Self, Report> {
        let mut tries = 0;
        loop {
            match Self::try_open(postgres, user, database, settings).await {
                Err(report) if matches!(report.code.as_str(), "57P03" | "08006") && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                other => return other,
            }
        }
    }

    async fn try_open(
        postgres: &PostgresAddress,
        user: &str,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<Self, Report> {
        let lost = |error: io::Error| Report::fatal("08006", format!("the engine does not answer: {}", error.kind()));
        let mut socket = UnixStream::connect(postgres.socket()).await.map_err(lost)?;
        let mut body = BytesMut::new();
        body.put_u32(PROTOCOL);
        let fixed = [("user", user), ("database", database)];
        let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in fixed.into_iter().chain(settings) {
            put_cstr(&mut body, name);
            put_cstr(&mut body, value);
        }
        body.put_u8(0);
        socket.write_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX)).await.map_err(lost)?;
        socket.write_all(&body).await.map_err(lost)?;

        let mut messages = Messages::new(socket);
        let (mut pid, mut secret, mut parameters) = (0, 0, BytesMut::new());
        loop {
            let message = messages.next().await.map_err(lost)?;
            let message = message.ok_or_else(|| lost(io::ErrorKind::UnexpectedEof.into()))?;
            let mut body = Body(message.body());
            match message.tag() {
                b'R' => match body.i32() {
                    0 => {}
                    3 => {
                        let password = strings(b'p', &[postgres.password.expose()]);
                        messages.io_mut().write_all(&password).await.map_err(lost)?;
                    }
                    other => return Err(Report::fatal("08006", format!("the engine asks for authentication {other}"))),
                },
                b'S' if parameter_is_shown(message.body()) => parameters.extend_from_slice(message.bytes()),
                b'K' => (pid, secret) = (body.i32(), body.i32()),
                b'E' => return Err(Report::parse(message.body()).translated(-1)),
                b'Z' => return Ok(Self { messages, pid, secret, parameters }),
                _ => {}
            }
        }
    }
}

/// Asks the engine to cancel what a session runs.
pub(super) async fn cancel_at_engine(postgres: &PostgresAddress, pid: i32, secret: i32) -> io::Result<()> {
    let mut socket = UnixStream::connect(postgres.socket()).await?;
    let mut packet = BytesMut::new();
    packet.put_u32(16);
    packet.put_u32(CANCEL_REQUEST);
    packet.put_i32(pid);
    packet.put_i32(secret);
    socket.write_all(&packet).await?;
    // It closes the connection when the signal is sent.
    socket.read_to_end(&mut Vec::new()).await?;
    Ok(())
}
