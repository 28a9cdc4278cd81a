//! A way to the server on which established connections can go silent, as behind a host that lost its power.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Forwards connections; those older than the last `stall` swallow what is sent and stay open.
pub(crate) struct StallingProxy {
    address: String,
    epoch: Arc<AtomicUsize>,
}

impl StallingProxy {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let epoch = Arc::new(AtomicUsize::new(0));
        let now = Arc::clone(&epoch);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = TcpStream::connect(&server).await.unwrap().into_split();
                let born = now.load(Ordering::SeqCst);
                tokio::spawn(forward(client_read, server_write, Arc::clone(&now), born));
                tokio::spawn(forward(server_read, client_write, Arc::clone(&now), born));
            }
        });
        Self { address, epoch }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Silences every connection there is; new ones work.
    pub(crate) fn stall(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, epoch: Arc<AtomicUsize>, born: usize) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        if epoch.load(Ordering::SeqCst) == born && to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}
