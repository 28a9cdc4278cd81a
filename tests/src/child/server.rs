//! An inference server on a free port that says on standard output where it listens, once it is ready.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use triplane_contract::route::RouteTable;
use triplane_inference_server::{Server, Settings};

/// The balancer of the tests learns within one of its periods that a server is leaving; this is many of them.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// `ROUTES.json`: serves the table until SIGTERM, then drains. The error is the server's own.
pub fn server(mut words: impl Iterator<Item = String>) -> Result<(), String> {
    let path = words.next().ok_or("ROUTES.json is missing")?;
    let routes = std::fs::read(path).expect("a route table");
    let routes: RouteTable = serde_json::from_slice(&routes).expect("a route table");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(serve(routes))
}

async fn serve(routes: RouteTable) -> Result<(), String> {
    let settings = Settings {
        drain_grace: DRAIN_GRACE,
        ..Settings::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    };
    let server = Server::bind(settings).await.map_err(|error| error.to_string())?;
    server
        .handle()
        .serve(&routes)
        .await
        .map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    println!("{}", server.address());
    server
        .run(async move {
            terminate.recv().await;
        })
        .await;
    Ok(())
}
