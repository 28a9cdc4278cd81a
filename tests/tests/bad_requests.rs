//! Requests that are wrong: a typed refusal that names the field, and the next caller is answered as ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use triplane_feature_store::{Clock, SystemClock, online};
use triplane_tests::fixture::codebook;
use triplane_tests::http::{self, Connection};
use triplane_tests::redis::Redis;
use triplane_tests::serving::{Codebook, InProcess};

const PREDICT: &str = "/v1/models/codebook:predict";
const INFER: &str = "/v2/models/codebook/infer";

/// A codebook service with everything it needs.
struct Service {
    _redis: Redis,
    _codebook: Codebook,
    server: InProcess,
}

impl Service {
    async fn start() -> Self {
        let redis = Redis::start();
        let codebook = Codebook::materialized(&redis).await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = online::connect(&redis.access(), clock.clone()).await.unwrap();
        let server = InProcess::start(&codebook.routes_through(redis.address()), clock, store).await;
        Self {
            _redis: redis,
            _codebook: codebook,
            server,
        }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The service answers a good request with the right code.
    async fn still_answers(&self) {
        let good = json!({"instances": [{"account": "a-77", "c": 5}]});
        let answer = http::post(self.address(), PREDICT, &good).await.unwrap();
        assert_eq!(
            (answer.status, &answer.json()["predictions"][0]),
            (200, &json!(codebook::answer(77, 5)))
        );
    }

    /// `body` is refused with `status` and `code`, `field` being named in the answer.
    async fn refuses(&self, path: &str, body: &str, status: u16, code: &str, field: &str) {
        let answer = Connection::new(self.address())
            .post(path, body.to_owned())
            .await
            .unwrap();
        let told = answer.json();
        assert_eq!(
            (answer.status, told["code"].as_str()),
            (status, Some(code)),
            "{body}: {told}"
        );
        let named = told["field"].as_str().unwrap_or_default();
        assert_eq!(named, field, "{body}: {told}");
        assert!(
            told["error"].as_str().is_some_and(|message| !message.is_empty()),
            "{told}"
        );
        assert!(told["request_id"].is_string(), "{told}");
        self.still_answers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v1_request_that_is_wrong_is_refused_by_field() {
    let service = Service::start().await;
    let refused = [
        ("{\"instances\":", "InvalidJson", ""),
        ("", "InvalidJson", ""),
        ("[]", "InvalidJson", ""),
        ("{}", "MissingField", "instances"),
        (
            r#"{"instances":[{"account":"a-1","c":1}],"explian":true}"#,
            "UnknownField",
            "explian",
        ),
        (
            r#"{"instances":[{"account":"a-1","c":1},{"acount":"a-1","c":1}]}"#,
            "UnknownField",
            "instances[1].acount",
        ),
        (r#"{"instances":[{"c":1}]}"#, "MissingField", "instances[0].account"),
        (
            r#"{"instances":[{"account":"a-1","c":1,"c":2}]}"#,
            "DuplicateField",
            "instances[0].c",
        ),
        (
            r#"{"instances":[{"account":"a-1","c":"one"}]}"#,
            "WrongType",
            "instances[0].c",
        ),
        (
            r#"{"instances":[{"account":"a-1","c":1.5}]}"#,
            "WrongType",
            "instances[0].c",
        ),
        (
            r#"{"instances":[{"account":17,"c":1}]}"#,
            "WrongType",
            "instances[0].account",
        ),
        (
            r#"{"instances":[{"account":"a-1","c":9223372036854775808}]}"#,
            "WrongType",
            "instances[0].c",
        ),
    ];
    for (body, code, field) in refused {
        service.refuses(PREDICT, body, 400, code, field).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v2_request_that_is_wrong_is_refused() {
    let service = Service::start().await;
    let tensor = |name: &str, datatype: &str, shape: usize, data: serde_json::Value| json!({"name": name, "datatype": datatype, "shape": [shape], "data": data});
    let account = tensor("account", "BYTES", 1, json!(["a-1"]));
    let refused = [
        (
            json!({"inputs": [account, tensor("c", "INT64", 2, json!([1]))]}),
            "WrongShape",
        ),
        (
            json!({"inputs": [account, tensor("c", "BYTES", 1, json!(["x"]))]}),
            "WrongType",
        ),
        (json!({"inputs": [account]}), "MissingField"),
        (
            json!({"inputs": [account, tensor("d", "INT64", 1, json!([1]))]}),
            "UnknownField",
        ),
        (json!({"outputs": []}), "MissingField"),
    ];
    for (body, code) in refused {
        let answer = http::post(service.address(), INFER, &body).await.unwrap();
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some(code)),
            "{body}: {}",
            answer.json()
        );
        service.still_answers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_too_large_are_refused() {
    let service = Service::start().await;
    let row = r#"{"account":"a-1","c":1}"#;
    let many = format!(r#"{{"instances":[{}]}}"#, vec![row; 1_001].join(","));
    service.refuses(PREDICT, &many, 400, "TooManyRows", "instances").await;
    let body = Bytes::from(vec![b' '; (1 << 20) + 1]);
    let answer = Connection::new(service.address()).post(PREDICT, body).await.unwrap();
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (413, Some("BodyTooLarge"))
    );
    service.still_answers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_paths_and_models_are_not_found_by_name() {
    let service = Service::start().await;
    let good = r#"{"instances":[{"account":"a-1","c":1}]}"#;
    service
        .refuses("/v1/models/other:predict", good, 404, "UnknownModel", "")
        .await;
    service.refuses("/v1/nowhere", good, 404, "NotFound", "").await;
    let get = http::request(Method::GET, PREDICT, Bytes::new());
    let answer = Connection::new(service.address()).send(get).await.unwrap();
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (405, Some("MethodNotAllowed"))
    );
    service.still_answers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_http_end_their_own_connection_only() {
    let service = Service::start().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"PREDICT ME\r\n\r\n",
        &[0xff; 9_000],
    ] {
        let mut stream = TcpStream::connect(service.address()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        // The server may reset the connection instead of ending it.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        service.still_answers().await;
    }
}
