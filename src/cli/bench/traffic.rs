//! Requests over connections that are kept open: one request at a time on each.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::cli::Failure;
use crate::cli::bench::drive::Worker;

/// Resources as JSON.
pub(super) const FHIR_JSON: &str = "application/fhir+json";

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The method.
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    /// The body; empty for none.
    pub(super) body: Bytes,
    /// What the body is.
    pub(super) content_type: &'static str,
    /// The access token that comes with it.
    pub(super) token: Option<Arc<str>>,
}

impl Call {
    /// A GET.
    pub(super) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            body: Bytes::new(),
            content_type: FHIR_JSON,
            token: None,
        }
    }

    /// The same with an access token.
    pub(super) fn with(self, token: &Arc<str>) -> Self {
        Self {
            token: Some(Arc::clone(token)),
            ..self
        }
    }
}

/// What each connection asks for: the place of the connection, and how many requests it has sent.
pub(super) type Calls = Arc<dyn Fn(usize, usize) -> Option<Call> + Send + Sync>;

/// A connection that is kept open.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    place: usize,
    sent: usize,
    calls: Calls,
}

impl Connection {
    /// Opens connections that will send `calls`.
    pub(super) async fn open_all(
        address: SocketAddr,
        count: usize,
        calls: &Calls,
    ) -> Result<Vec<Self>, Failure> {
        let mut all = Vec::with_capacity(count);
        for place in 0..count {
            let sender = connect(address).await?;
            all.push(Self {
                sender,
                host: address.to_string(),
                place,
                sent: 0,
                calls: Arc::clone(calls),
            });
        }
        Ok(all)
    }
}

#[async_trait]
impl Worker for Connection {
    async fn step(&mut self) -> Result<bool, Failure> {
        let Some(call) = (self.calls)(self.place, self.sent) else {
            return Ok(false);
        };
        self.sent += 1;
        send(&mut self.sender, &self.host, call).await?;
        Ok(true)
    }
}

/// Sends one request on a connection of its own.
pub(super) async fn send_alone(address: SocketAddr, call: Call) -> Result<Bytes, Failure> {
    let mut sender = connect(address).await?;
    let request = request(&address.to_string(), call)?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        return Err(refused(status, &body));
    }
    Ok(body)
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "a connection ended early");
        }
    });
    Ok(sender)
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    host: &str,
    call: Call,
) -> Result<(), Failure> {
    sender.ready().await?;
    let response = sender.send_request(request(host, call)?).await?;
    let status = response.status();
    let mut body = response.into_body();
    if !status.is_success() {
        return Err(refused(status, &body.collect().await?.to_bytes()));
    }
    while let Some(frame) = body.frame().await {
        drop(frame?);
    }
    Ok(())
}

fn request(host: &str, call: Call) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header(HOST, host)
        .header(CONTENT_TYPE, call.content_type);
    if let Some(token) = call.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::new(call.body))
}

fn refused(status: http::StatusCode, body: &[u8]) -> Failure {
    format!(
        "the server answered {status}: {}",
        String::from_utf8_lossy(body)
    )
    .into()
}
