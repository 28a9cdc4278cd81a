//! Going down: what was accepted is answered.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{ONE, get, predict};
use crate::world::Plan;

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
    // The listener is gone: nothing new gets in, the request under way goes on.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
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
    let mut world = Plan::new().await.start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let mut answer = vec![0; 4_096];
    stream
        .write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    world.stop();
    world.ended().await;
    assert_eq!(stream.read(&mut answer).await.unwrap(), 0);
}
