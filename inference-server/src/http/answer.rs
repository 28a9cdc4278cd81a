//! Responses.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::Answer;
use crate::json::Writer;
use crate::problem::{Code, Problem};

/// Names a request in logs of caller and server.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Answer {
    with_type(status, body, "application/json")
}

/// An answer of another type.
pub(super) fn with_type(status: StatusCode, body: impl Into<Bytes>, content_type: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// `{"error", "code", "field", "request_id"}` with the refusal's status.
pub(super) fn refusal(problem: &Problem, request_id: &str) -> Answer {
    let mut body = Writer::with_capacity(256);
    body.open(b'{')
        .key("error")
        .string(&problem.message)
        .key("code")
        .string(problem.code.name());
    if let Some(field) = &problem.field {
        body.key("field").string(field);
    }
    body.key("request_id").string(request_id).close(b'}');
    let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json(status, body.finish());
    match problem.code {
        Code::Overloaded | Code::NotReady => {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // The rest of the body is still on its way: the connection cannot be used again.
        Code::BodyTooLarge | Code::BodyTimeout | Code::BodyBroken => close(&mut answer),
        _ => {}
    }
    answer
}

/// Puts the request's id on an answer.
pub(super) fn label(answer: &mut Answer, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
}

/// Asks the caller to use another connection from now on.
pub(super) fn close(answer: &mut Answer) {
    answer
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
}
