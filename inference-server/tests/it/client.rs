//! A plain HTTP client.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The refusal: status, code, field.
    pub(crate) fn refusal(&self) -> (u16, String, String) {
        let json = self.json();
        assert!(json["request_id"].is_string() && json["error"].is_string(), "{json}");
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("field"))
    }
}

pub(crate) async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = client
        .request(request.body(Full::from(body.to_owned())).unwrap())
        .await
        .unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    call(address, Method::GET, path, &[], "").await
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    call(address, Method::POST, path, &[], body).await
}

/// A v1 prediction of one JFK to LAX flight.
pub(crate) async fn predict(address: SocketAddr) -> Answer {
    post(address, "/v1/models/delay:predict", ONE).await
}

pub(crate) const ONE: &str = r#"{"instances":[{"origin":"JFK","dest":"LAX","distance":2475,"hour":18}]}"#;
