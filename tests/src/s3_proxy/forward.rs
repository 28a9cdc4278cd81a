//! One request: counted, perhaps ended by a kill, passed on, and its answer given back with the fault it meets.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Fault, Seen, State};
use crate::kill::When;

/// How often a crawling body brings some bytes.
const CRAWL_STEP: Duration = Duration::from_millis(100);

/// No answer: the connection closes.
#[derive(Debug)]
pub(super) struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the proxy hangs up")
    }
}

impl std::error::Error for Hangup {}

pub(super) async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Sent>, Hangup> {
    let seen = Seen::new(request.method(), request.uri());
    let number = state.count(seen.clone());
    state.kill_at(number, When::Before).await?;
    let fault = state.fault(&seen);
    match fault {
        Some(Fault::Refuse(status, code)) => return Ok(refusal(status, code)),
        Some(Fault::Pretend) => return Ok(whole(200, &Bytes::new())),
        _ => {}
    }
    let method_is_head = request.method() == hyper::Method::HEAD;
    let (parts, body) = forward(&state.upstream, request).await?.into_parts();
    state.kill_at(number, When::After).await?;
    if matches!(fault, Some(Fault::LoseReply)) {
        return Err(Hangup);
    }
    let length = body.len();
    let mut response = Response::from_parts(parts, misbehave(fault, &body));
    if let Some(Fault::Misstate(by)) = fault {
        let claim = (length as i64 + by).max(0);
        response.headers_mut().insert(header::CONTENT_LENGTH, claim.into());
        response.body_mut().claim = Some(claim as u64);
    }
    if method_is_head {
        response.body_mut().claim = None;
    }
    Ok(response)
}

/// The server's whole answer: it has done what it was asked when this is there.
async fn forward(upstream: &str, request: Request<Incoming>) -> Result<Response<Bytes>, Hangup> {
    let stream = TcpStream::connect(upstream).await.map_err(|_| Hangup)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| Hangup)?;
    let driving = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|_| Hangup)?;
    let (mut parts, body) = answer.into_parts();
    // It is given on whole, with its length.
    parts.headers.remove(header::TRANSFER_ENCODING);
    let body = body.collect().await.map_err(|_| Hangup)?.to_bytes();
    driving.abort();
    Ok(Response::from_parts(parts, body))
}

fn refusal(status: u16, code: &str) -> Response<Sent> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>asked for by a test</Message></Error>"
    );
    whole(status, &body.into())
}

fn whole(status: u16, body: &Bytes) -> Response<Sent> {
    let mut response = Response::new(misbehave(None, body));
    *response.status_mut() = status.try_into().expect("a status");
    response
}

fn misbehave(fault: Option<Fault>, body: &Bytes) -> Sent {
    let length = body.len();
    let first = |count: usize| body.slice(..count.min(length));
    let once = |bytes: Bytes| stream::iter([Ok(Frame::data(bytes))]);
    let frames: Frames = match fault {
        Some(Fault::Break(after)) => {
            // The pause lets what was sent before arrive as such.
            let end = stream::once(async {
                tokio::time::sleep(CRAWL_STEP).await;
                Err(Hangup)
            });
            once(first(after)).chain(end).boxed()
        }
        Some(Fault::Stall(after)) => once(first(after)).chain(stream::pending()).boxed(),
        Some(Fault::Crawl(per_second)) => {
            let step = (per_second / 10).max(1);
            let pieces: Vec<Bytes> = (0..length)
                .step_by(step)
                .map(|at| body.slice(at..(at + step).min(length)))
                .collect();
            stream::iter(pieces)
                .then(|piece| async move {
                    tokio::time::sleep(CRAWL_STEP).await;
                    Ok(Frame::data(piece))
                })
                .boxed()
        }
        Some(Fault::Misstate(by)) if by < 0 => once(first((length as i64 + by).max(0) as usize)).boxed(),
        Some(Fault::Misstate(_)) => once(body.clone()).chain(stream::iter([Err(Hangup)])).boxed(),
        _ if body.is_empty() => stream::empty().boxed(),
        _ => once(body.clone()).boxed(),
    };
    Sent {
        frames,
        claim: Some(length as u64),
    }
}

type Frames = BoxStream<'static, Result<Frame<Bytes>, Hangup>>;

/// A body with the length it claims to have.
pub(super) struct Sent {
    frames: Frames,
    claim: Option<u64>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Hangup;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Hangup>>> {
        self.frames.poll_next_unpin(context)
    }

    fn size_hint(&self) -> SizeHint {
        self.claim.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    fn is_end_stream(&self) -> bool {
        self.claim == Some(0)
    }
}
