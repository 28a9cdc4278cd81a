//! Proxies before Redis servers that count commands and kill a process at the n-th: before the server gets it, or after the
//! server has done it and before anybody hears of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use triplane_contract::store::StoreAccess;

use super::{Cut, Killer, Phase, Point, When};
use crate::redis::{self, Redis};
use crate::run::{Ending, Run};

/// Which command ends which process, over all servers of a store.
struct Trigger {
    cut: Option<Cut>,
    commands: Mutex<Vec<String>>,
    victim: watch::Sender<Option<u32>>,
}

impl Trigger {
    fn new(cut: Option<Cut>) -> Arc<Self> {
        Arc::new(Self {
            cut,
            commands: Mutex::default(),
            victim: watch::channel(None).0,
        })
    }

    /// Counts a command; whether it is the one.
    fn count(&self, name: String) -> Option<When> {
        let mut commands = self.commands.lock().expect("commands");
        commands.push(name);
        self.cut
            .filter(|cut| cut.at == Point::Call(commands.len()))
            .map(|cut| cut.when)
    }

    /// Kills the run; a command that came before it was known which process that is waits.
    async fn kill(&self) {
        let mut victim = self.victim.subscribe();
        let Ok(process) = victim.wait_for(Option::is_some).await.map(|process| *process) else {
            return;
        };
        let process = process.and_then(|id| Pid::from_raw(id as i32)).expect("a process");
        // It may have ended by itself.
        let _ = kill_process(process, Signal::KILL);
    }
}

/// A proxy before every server of a store; all end when dropped.
pub struct CommandProxies {
    addresses: Vec<SocketAddr>,
    trigger: watch::Sender<Arc<Trigger>>,
    _runtime: Runtime,
}

impl CommandProxies {
    /// Puts a proxy before every server of `redis`, which tell clients and each other of these from now on.
    pub fn before(redis: &mut Redis) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let trigger = watch::channel(Trigger::new(None)).0;
        let mut addresses = Vec::new();
        for server in redis.addresses() {
            let listener = runtime
                .block_on(TcpListener::bind("127.0.0.1:0"))
                .expect("failed to bind a proxy");
            addresses.push(listener.local_addr().expect("local address"));
            let trigger = trigger.subscribe();
            runtime.spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    let trigger = Arc::clone(&trigger.borrow());
                    tokio::spawn(serve(client, server.clone(), trigger));
                }
            });
        }
        redis.announce(&addresses.iter().map(SocketAddr::port).collect::<Vec<_>>());
        Self {
            addresses,
            trigger,
            _runtime: runtime,
        }
    }

    fn begin(&self, run: &Run, cut: Option<Cut>) -> (Ending, Vec<String>) {
        let trigger = Trigger::new(cut);
        self.trigger.send_replace(Arc::clone(&trigger));
        let ending = run.begin(|process| {
            trigger.victim.send_replace(Some(process));
        });
        let commands = trigger.commands.lock().expect("commands").clone();
        (ending, commands)
    }
}

impl Killer for CommandProxies {
    fn access(&self, stores: StoreAccess) -> StoreAccess {
        StoreAccess {
            online: redis::access(self.addresses[0].to_string()),
            ..stores
        }
    }

    fn calls(&self, run: &Run) -> Vec<(Phase, String)> {
        let (ending, commands) = self.begin(run, None);
        ending.report();
        commands.into_iter().map(|command| (Phase::Publish, command)).collect()
    }

    fn to(&self, run: &Run, cut: Cut) -> Ending {
        self.begin(run, Some(cut)).0
    }
}

async fn serve(client: TcpStream, server: String, trigger: Arc<Trigger>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let (held, holding) = watch::channel(false);
    tokio::select! {
        () = requests(client_in, server_out, &trigger, held) => {}
        () = answers(server_in, client_out, &trigger, holding) => {}
    }
}

/// Forwards commands one by one.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, trigger: &Trigger, held: watch::Sender<bool>) {
    let (mut pending, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        pending.extend_from_slice(&buffer[..read]);
        while let Some(length) = command(&pending) {
            let cut = trigger.count(name(&pending));
            if cut == Some(When::Before) {
                trigger.kill().await;
                return;
            }
            let _ = held.send(cut.is_some());
            let command: Vec<u8> = pending.drain(..length).collect();
            if to.write_all(&command).await.is_err() {
                return;
            }
            if cut.is_some() {
                // Answered after the command, so that its answer shows the command has been done.
                let _ = to.write_all(b"*1\r\n$4\r\nPING\r\n").await;
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, trigger: &Trigger, holding: watch::Receiver<bool>) {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if *holding.borrow() {
            kept.extend_from_slice(&buffer[..read]);
            if kept.ends_with(b"+PONG\r\n") {
                trigger.kill().await;
                return;
            }
        } else if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Length of the first command (an array of strings) if it is there whole.
fn command(bytes: &[u8]) -> Option<usize> {
    let (parts, mut at) = header(bytes, 0, b'*')?;
    for _ in 0..parts {
        let (length, start) = header(bytes, at, b'$')?;
        at = start + length + 2;
    }
    (at <= bytes.len()).then_some(at)
}

/// Name of the command that `bytes` begin with.
fn name(bytes: &[u8]) -> String {
    let name = bytes.split(|byte| *byte == b'\n').nth(2).unwrap_or_default();
    String::from_utf8_lossy(name).trim().to_lowercase()
}

/// The number after `mark` at `at`, and where the line after it begins.
fn header(bytes: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    assert_eq!(line[0], mark, "a command of another form");
    let number = std::str::from_utf8(&line[1..end]).ok()?.parse().ok()?;
    Some((number, at + end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_when_its_last_byte_is_there() {
        let whole = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n";
        for length in 0..whole.len() {
            assert_eq!(command(&whole[..length]), None, "{length}");
        }
        let two = [&whole[..], b"*1\r\n$4\r\nPING\r\n"].concat();
        assert_eq!(command(&two), Some(whole.len()));
        assert_eq!(command(&two[whole.len()..]), Some(14));
        assert_eq!(
            (name(&two), name(&two[whole.len()..])),
            ("get".to_owned(), "ping".to_owned())
        );
    }
}
