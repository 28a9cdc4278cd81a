//! HTTP/1.1 over connections that the test owns: what a plain keep-alive client sees, nothing retried behind its back.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use snafu::{ResultExt, Snafu};
use tokio::net::TcpStream;

/// Why there is no answer.
#[derive(Debug, Snafu)]
pub enum HttpError {
    /// No connection.
    #[snafu(display("failed to connect to {address}: {source}"))]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Cause.
        source: std::io::Error,
    },
    /// The connection ended or broke before the answer was complete.
    #[snafu(display("no complete answer from {address}: {source}"))]
    Exchange {
        /// Where to.
        address: SocketAddr,
        /// Cause.
        source: hyper::Error,
    },
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("answer is not JSON ({error}): {}", String::from_utf8_lossy(&self.body)))
    }
}

/// One keep-alive connection; reopened before a request when the peer has closed it.
pub struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection that is opened with the first request.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Sends one request and reads its answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, HttpError> {
        let address = self.address;
        let mut sender = match self.open().await {
            Some(sender) => sender,
            None => connect(address).await?,
        };
        let answer = sender.send_request(request).await.context(ExchangeSnafu { address })?;
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .context(ExchangeSnafu { address })?
            .to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status, body })
    }

    /// The kept connection, unless the peer has closed it.
    async fn open(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        let mut sender = self.sender.take()?;
        sender.ready().await.is_ok().then_some(sender)
    }

    /// POST of a JSON body.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Answer, HttpError> {
        self.send(request(Method::POST, path, body.into())).await
    }
}

/// A request for this machine with a JSON body.
pub fn request(method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .expect("request")
}

/// GET over a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Result<Answer, HttpError> {
    Connection::new(address)
        .send(request(Method::GET, path, Bytes::new()))
        .await
}

/// POST of JSON over a connection of its own.
pub async fn post(address: SocketAddr, path: &str, body: &serde_json::Value) -> Result<Answer, HttpError> {
    Connection::new(address).post(path, body.to_string()).await
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, HttpError> {
    let stream = TcpStream::connect(address).await.context(ConnectSnafu { address })?;
    let _ = stream.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .context(ExchangeSnafu { address })?;
    // The driver ends with the connection; what went wrong shows up at the sender.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
