//! A real redis-server in a folder of its own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A redis-server on a free port; stopped when dropped. The binary is `$TRIPLANE_REDIS_SERVER`, else the one on `PATH`.
pub(crate) struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
    dir: TempDir,
}

impl RedisServer {
    /// Starts a server without persistence, with more `arguments` (`--name`, `value`, ...).
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("failed to create a folder for redis-server");
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        let mut server = Self {
            port: 0,
            arguments,
            child: None,
            dir,
        };
        // Somebody else may take the port between our look and the server's.
        for _ in 0..5 {
            server.port = TcpListener::bind(("127.0.0.1", 0))
                .and_then(|l| l.local_addr())
                .expect("no free port")
                .port();
            if server.spawn() {
                return server;
            }
        }
        panic!(
            "redis-server exited at once, five times, in {}",
            server.dir.path().display()
        );
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends the process; its memory is gone.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("failed to kill redis-server");
            child.wait().expect("failed to wait for redis-server");
        }
    }

    /// Starts it again on the same port, empty.
    pub(crate) fn restart(&mut self) {
        self.stop();
        assert!(self.spawn(), "redis-server did not come back on port {}", self.port);
    }

    /// A connection of the test's own; `None` while the server does not accept one.
    pub(crate) fn connection(&self) -> Option<redis::Connection> {
        let client = redis::Client::open(format!("redis://{}/", self.address())).ok()?;
        client.get_connection_with_timeout(Duration::from_secs(5)).ok()
    }

    /// Runs a command.
    pub(crate) fn run<T: redis::FromRedisValue>(&self, command: &[&[u8]]) -> T {
        let mut cmd = redis::Cmd::new();
        for argument in command {
            cmd.arg(*argument);
        }
        cmd.query(&mut self.connection().expect("failed to connect to redis-server"))
            .expect("redis-server refused")
    }

    /// Whether the server came up.
    fn spawn(&mut self) -> bool {
        let binary = std::env::var("TRIPLANE_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let mut command = Command::new(&binary);
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--daemonize",
            "no",
        ]);
        command
            .arg("--port")
            .arg(self.port.to_string())
            .arg("--dir")
            .arg(self.dir.path())
            .args(&self.arguments);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("cannot run {binary}: {error}; install redis-server or name it in TRIPLANE_REDIS_SERVER")
        });
        let child = self.child.insert(child);
        let give_up = Instant::now() + Duration::from_secs(30);
        while Instant::now() < give_up {
            if child.try_wait().expect("failed to look at redis-server").is_some() {
                return false;
            }
            if answers(self.port) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("redis-server on port {} does not answer", self.port);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a Redis server answers there: also "no" (a password is missing) is an answer.
fn answers(port: u16) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut first = [0];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut first).is_ok() && matches!(first[0], b'+' | b'-')
}
