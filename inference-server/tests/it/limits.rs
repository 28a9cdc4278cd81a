//! What is refused because of its size, its pace or its number.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{ONE, call, get, post, predict};
use crate::switched::{HELD, THROUGH, switched};
use crate::world::Plan;

const PREDICT: &str = "/v1/models/delay:predict";

/// Begins to send a prediction of `length` bytes.
async fn upload(address: SocketAddr, length: usize, start: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {PREDICT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{start}").as_bytes()).await.unwrap();
    stream
}

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
async fn a_caller_that_stops_sending_its_body_is_let_go() {
    let mut plan = Plan::new().await;
    plan.settings.limits.body_timeout = Duration::from_millis(20);
    let world = plan.start().await;
    let mut body = upload(world.address, 100, "{").await;
    let mut text = String::new();
    body.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 408") && text.contains("BodyTimeout"),
        "{text}"
    );
}

#[tokio::test]
async fn a_caller_that_does_not_get_to_its_first_request_is_let_go() {
    let mut plan = Plan::new().await;
    plan.settings.limits.header_timeout = Duration::from_millis(20);
    let world = plan.start().await;
    for start in [
        "",
        "P",
        "PRI * HTTP/2",
        "POST /v1/models/delay:predict HTTP/1.1\r\nhost:",
    ] {
        let mut head = TcpStream::connect(world.address).await.unwrap();
        head.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        head.read_to_end(&mut rest).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_its_idle_time_after_an_answer() {
    let mut plan = Plan::new().await;
    plan.settings.limits.idle_timeout = Duration::from_millis(20);
    let world = plan.start().await;
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    idle.write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    idle.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && !text.contains("connection: close"),
        "{text}"
    );
}

#[tokio::test]
async fn more_requests_than_allowed_are_429_with_a_hint() {
    let (world, store) = switched(|plan| {
        plan.settings.limits.concurrency = 1;
        plan.table.features.timeout_us = 600_000_000;
        plan.table.deadline_us = 6_000_000_000;
    })
    .await;
    store.set(HELD);
    let held = tokio::spawn(predict(world.address));
    while store.reads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let refused = predict(world.address).await;
    assert_eq!(refused.refusal(), (429, "Overloaded".to_owned(), String::new()));
    assert_eq!(refused.headers["retry-after"], "1");
    store.set(THROUGH);
    store.gate.notify_one();
    assert_eq!(held.await.unwrap().status, 200);
    assert_eq!(predict(world.address).await.status, 200);
}

#[tokio::test]
async fn uploads_that_trickle_take_no_place_from_others() {
    let mut plan = Plan::new().await;
    plan.settings.limits.body_timeout = Duration::from_mins(10);
    plan.settings.limits.concurrency = 1;
    let world = plan.start().await;
    let (start, rest) = ONE.split_at(10);
    let mut slow = Vec::new();
    for _ in 0..8 {
        slow.push(upload(world.address, ONE.len(), start).await);
    }
    let in_flight = async || get(world.address, "/metrics").await.text;
    while !in_flight().await.contains("triplane_inference_in_flight 8") {}
    assert_eq!(predict(world.address).await.status, 200);
    for mut stream in slow {
        stream.write_all(rest.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
}

#[tokio::test]
async fn uploads_under_way_are_bounded_in_bytes() {
    let mut plan = Plan::new().await;
    plan.settings.limits.body_timeout = Duration::from_mins(10);
    plan.settings.limits.upload_bytes = 2 * ONE.len() - 1;
    let world = plan.start().await;
    let held = upload(world.address, 2 * ONE.len(), ONE).await;
    let refused = loop {
        let answer = predict(world.address).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.refusal(), (429, "Overloaded".to_owned(), String::new()));
    drop(held);
    while predict(world.address).await.status != 200 {}
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
