//! What is refused because of its size, its pace or its number.

use std::time::Duration;

use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{ONE, call, post, predict};
use crate::world::Plan;

const PREDICT: &str = "/v1/models/delay:predict";

#[tokio::test]
async fn a_body_too_large_is_413_whether_announced_or_not() {
    let mut plan = Plan::new().await;
    plan.settings.limits.body_bytes = 1_000;
    let world = plan.start().await;
    let body = format!("{ONE}{}", " ".repeat(2_000));
    let answer = post(world.address, PREDICT, &body).await;
    assert_eq!(answer.refusal(), (413, "BodyTooLarge".to_owned(), String::new()));

    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /v1/models/delay:predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
        .write_all(format!("7d0\r\n{}\r\n0\r\n\r\n", " ".repeat(2_000)).as_bytes())
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    assert_eq!(predict(world.address).await.status, 200);
}

#[tokio::test]
async fn a_caller_that_stops_sending_is_let_go() {
    let mut plan = Plan::new().await;
    plan.settings.limits.body_timeout = Duration::from_millis(20);
    plan.settings.limits.header_timeout = Duration::from_millis(20);
    let world = plan.start().await;
    let mut body = TcpStream::connect(world.address).await.unwrap();
    body.write_all(b"POST /v1/models/delay:predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        .await
        .unwrap();
    let mut text = String::new();
    body.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 408") && text.contains("BodyTimeout"),
        "{text}"
    );

    let mut head = TcpStream::connect(world.address).await.unwrap();
    head.write_all(b"POST /v1/models/delay:predict HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    let mut rest = Vec::new();
    head.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn more_requests_than_allowed_are_429_with_a_hint() {
    let mut plan = Plan::new().await;
    plan.settings.limits.concurrency = 1;
    let world = plan.start().await;
    // A request whose body is not whole holds the only place.
    let mut held = TcpStream::connect(world.address).await.unwrap();
    let start = format!(
        "POST {PREDICT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        ONE.len()
    );
    held.write_all(start.as_bytes()).await.unwrap();
    let refused = loop {
        let answer = predict(world.address).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.refusal(), (429, "Overloaded".to_owned(), String::new()));
    assert_eq!(refused.headers["retry-after"], "1");
    held.write_all(ONE.as_bytes()).await.unwrap();
    let mut text = String::new();
    held.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert_eq!(predict(world.address).await.status, 200);
}

#[tokio::test]
async fn more_rows_than_allowed_are_refused() {
    let mut plan = Plan::new().await;
    plan.settings.limits.rows = 2;
    let world = plan.start().await;
    let row = r#"{"origin":"JFK","dest":"LAX","distance":1,"hour":1}"#;
    let rows = |count: usize| format!(r#"{{"instances":[{}]}}"#, vec![row; count].join(","));
    assert_eq!(post(world.address, PREDICT, &rows(2)).await.status, 200);
    let answer = post(world.address, PREDICT, &rows(3)).await;
    assert_eq!(
        answer.refusal(),
        (400, "TooManyRows".to_owned(), "instances".to_owned())
    );
}

#[tokio::test]
async fn another_method_is_405() {
    let world = Plan::new().await.start().await;
    let answer = call(world.address, Method::GET, PREDICT, &[], "").await;
    assert_eq!(answer.refusal(), (405, "MethodNotAllowed".to_owned(), String::new()));
}
