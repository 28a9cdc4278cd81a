//! Going down: what was accepted is answered.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use triplane_inference_server::Server;

use crate::client::{ONE, get, predict};
use crate::world::Plan;

const LIVE: &str = "GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n";

/// Waits until the port is closed.
async fn closed(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn before_it_stops_it_is_not_ready_and_still_answers() {
    let mut plan = Plan::new().await;
    plan.settings.drain_grace = Duration::from_mins(10);
    let mut world = plan.start().await;
    assert_eq!(
        get(world.address, "/v2/health/ready").await.text,
        r#"{"live":true,"ready":true}"#
    );
    world.stop();
    let ready = loop {
        let ready = get(world.address, "/v2/health/ready").await;
        if ready.status != 200 {
            break ready;
        }
    };
    assert_eq!(
        (ready.status, ready.text.as_str()),
        (503, r#"{"live":false,"ready":false}"#)
    );
    assert_eq!(get(world.address, "/v2/health/live").await.status, 200);
    let answer = predict(world.address).await;
    assert_eq!(
        (answer.status, answer.headers["connection"].to_str().unwrap()),
        (200, "close")
    );
}

#[tokio::test]
async fn a_request_that_has_begun_is_answered_before_the_server_ends() {
    let mut world = Plan::new().await.start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /v1/models/delay:predict HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        ONE.len()
    );
    let (first, second) = ONE.split_at(10);
    stream.write_all(format!("{head}{first}").as_bytes()).await.unwrap();
    while !get(world.address, "/metrics")
        .await
        .text
        .contains("triplane_inference_in_flight 1")
    {}
    let address = world.address;
    world.stop();
    // Nothing new gets in, the request under way goes on.
    closed(address).await;
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains("predictions"),
        "{text}"
    );
    world.ended().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_it_up() {
    let mut plan = Plan::new().await;
    plan.settings.drain_patience = Duration::ZERO;
    plan.settings.drain_limit = Duration::from_mins(10);
    let mut world = plan.start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let mut answer = vec![0; 4_096];
    stream.write_all(LIVE.as_bytes()).await.unwrap();
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    world.stop();
    world.ended().await;
    assert_eq!(stream.read(&mut answer).await.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_that_has_not_sent_a_byte_does_not_hold_it_up() {
    let mut plan = Plan::new().await;
    plan.settings.drain_patience = Duration::ZERO;
    plan.settings.drain_limit = Duration::from_mins(10);
    let mut world = plan.start().await;
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    world.stop();
    world.ended().await;
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_on_its_way_when_the_port_closes_is_answered() {
    let mut plan = Plan::new().await;
    plan.settings.drain_patience = Duration::from_mins(10);
    plan.settings.drain_limit = Duration::from_mins(10);
    let mut world = plan.start().await;
    let mut fresh = TcpStream::connect(world.address).await.unwrap();
    let mut used = TcpStream::connect(world.address).await.unwrap();
    used.write_all(LIVE.as_bytes()).await.unwrap();
    assert!(used.read(&mut [0; 4_096]).await.unwrap() > 0);
    let address = world.address;
    world.stop();
    closed(address).await;
    for stream in [&mut fresh, &mut used] {
        stream.write_all(LIVE.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200") && text.contains("connection: close"),
            "{text}"
        );
    }
    world.ended().await;
}

#[tokio::test]
async fn everyone_who_waits_to_be_accepted_is_answered() {
    let mut settings = Plan::new().await.settings;
    settings.limits.connections = 3;
    settings.drain_limit = Duration::from_mins(10);
    let server = Server::bind(settings).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(LIVE.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    // It is told to stop before it has accepted anyone.
    server.run(std::future::ready(())).await;
    for mut stream in waiting {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
}
