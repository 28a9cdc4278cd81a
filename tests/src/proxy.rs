//! A TCP proxy that misbehaves on demand: the network between a server and its store.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::redis::Redis;

/// What happens to bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They pass.
    Pass,
    /// Each chunk of an answer arrives this much later; order and throughput stay.
    Delay(Duration),
    /// They wait until the fault is over; new connections are accepted and stay silent.
    BlackHole,
    /// Every connection is closed, new ones at once.
    Refuse,
}

#[derive(Clone, Copy)]
struct Weather {
    fault: Fault,
    /// Connections opened before the count rose are closed.
    cuts: u64,
}

/// A running proxy; ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    upstream: Arc<Mutex<String>>,
    weather: watch::Sender<Weather>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and forwards to `upstream` (`host:port`).
    pub async fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("failed to bind the proxy");
        let address = listener.local_addr().expect("local address");
        let (weather, watched) = watch::channel(Weather {
            fault: Fault::Pass,
            cuts: 0,
        });
        let upstream = Arc::new(Mutex::new(upstream));
        let target = Arc::clone(&upstream);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let upstream = target.lock().expect("upstream").clone();
                tokio::spawn(serve(client, upstream, watched.clone()));
            }
        });
        Self {
            address,
            upstream,
            weather,
            accepting,
        }
    }

    /// Where it listens, `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Forwards new connections elsewhere.
    pub fn lead_to(&self, upstream: String) {
        *self.upstream.lock().expect("upstream") = upstream;
    }

    /// Changes the weather, for open connections too.
    pub fn set(&self, fault: Fault) {
        self.weather.send_modify(|weather| weather.fault = fault);
    }

    /// Closes every open connection; new ones are as before.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(client: TcpStream, upstream: String, mut weather: watch::Receiver<Weather>) {
    let at_start = *weather.borrow_and_update();
    if at_start.fault == Fault::Refuse {
        return;
    }
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    // Delays are this proxy's to add, not Nagle's.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let (requests, answers) = (weather.clone(), weather.clone());
    // An error of the watch means that the proxy is gone: then the connection ends as well.
    let ended = weather.wait_for(|now| now.fault == Fault::Refuse || now.cuts != at_start.cuts);
    tokio::select! {
        () = pump(client_in, server_out, requests, false) => {}
        () = pump(server_in, client_out, answers, true) => {}
        _ = ended => {}
    }
}

/// Moves bytes one way: a reader that stamps each chunk and a writer that lets it out when its time has come.
async fn pump(mut from: OwnedReadHalf, to: OwnedWriteHalf, weather: watch::Receiver<Weather>, delayed: bool) {
    let (queue, chunks) = mpsc::unbounded_channel();
    let stamps = weather.clone();
    let reader = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read) = from.read(&mut buffer).await {
            let due = match stamps.borrow().fault {
                Fault::Delay(delay) if delayed => Instant::now() + delay,
                _ => Instant::now(),
            };
            if read == 0 || queue.send((due, buffer[..read].to_vec())).is_err() {
                break;
            }
        }
        drop(queue);
    };
    tokio::join!(reader, let_out(to, chunks, weather));
}

async fn let_out(
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
    mut weather: watch::Receiver<Weather>,
) {
    while let Some((due, chunk)) = chunks.recv().await {
        tokio::time::sleep_until(due).await;
        if weather.wait_for(|now| now.fault != Fault::BlackHole).await.is_err() {
            return;
        }
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// A proxy before every server of a store, all with the same weather.
pub struct Proxies(Vec<Proxy>);

impl Proxies {
    /// Puts a proxy before every server of `redis`, which tell clients and each other of these from now on.
    pub async fn before(redis: &mut Redis) -> Self {
        let mut proxies = Vec::new();
        for address in redis.addresses() {
            proxies.push(Proxy::start(address).await);
        }
        redis.announce(&proxies.iter().map(|proxy| proxy.address.port()).collect::<Vec<_>>());
        Self(proxies)
    }

    /// By which clients find the store.
    pub fn address(&self) -> String {
        self.0[0].address()
    }

    /// Changes the weather everywhere.
    pub fn set(&self, fault: Fault) {
        self.0.iter().for_each(|proxy| proxy.set(fault));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ping(client: &mut TcpStream) -> Option<[u8; 7]> {
        client.write_all(b"PING\r\n").await.ok()?;
        pong(client).await
    }

    async fn pong(client: &mut TcpStream) -> Option<[u8; 7]> {
        let mut answer = [0; 7];
        client.read_exact(&mut answer).await.ok()?;
        Some(answer)
    }

    #[tokio::test]
    async fn a_black_hole_keeps_bytes_until_it_is_over_and_a_refusal_closes() {
        let redis = Redis::start();
        let proxy = Proxy::start(redis.address()).await;
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ping(&mut client).await.as_ref(), Some(b"+PONG\r\n"));

        proxy.set(Fault::BlackHole);
        client.write_all(b"PING\r\n").await.unwrap();
        let silent = tokio::time::timeout(Duration::from_millis(50), pong(&mut client)).await;
        assert!(silent.is_err(), "nothing comes out of a black hole");
        proxy.set(Fault::Delay(Duration::from_millis(20)));
        assert_eq!(pong(&mut client).await.as_ref(), Some(b"+PONG\r\n"));

        proxy.cut();
        assert_eq!(pong(&mut client).await, None);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ping(&mut client).await.as_ref(), Some(b"+PONG\r\n"));
        proxy.set(Fault::Refuse);
        assert_eq!(pong(&mut client).await, None);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ping(&mut client).await, None);
    }
}
