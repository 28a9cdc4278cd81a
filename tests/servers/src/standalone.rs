//! One `redis-server` process.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to answer the first PING before the test gives up on it.
const START_WITHIN: Duration = Duration::from_secs(30);

/// One `redis-server` without persistence on a free port; killed when dropped.
pub struct Redis {
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
    paused: AtomicBool,
    dir: tempfile::TempDir,
}

impl Redis {
    /// Starts a server and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more `arguments` (`--name`, `value`, ...). A port lost to another process between choosing and
    /// binding is chosen again.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut redis = Self {
            port: free_port(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            child: None,
            paused: AtomicBool::new(false),
            dir: tempfile::tempdir().expect("failed to create a folder for redis"),
        };
        for _ in 0..5 {
            if redis.spawn() {
                return redis;
            }
            redis.port = free_port();
        }
        panic!("redis-server did not start: is it installed (package redis-server)?");
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGSTOP: the process keeps its connections and answers nothing.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        self.paused.store(true, Ordering::SeqCst);
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
        self.paused.store(false, Ordering::SeqCst);
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("failed to kill redis");
            child.wait().expect("failed to wait for redis");
        }
        self.paused.store(false, Ordering::SeqCst);
    }

    /// Whether the process runs and is not stopped.
    pub fn is_running(&self) -> bool {
        self.child.is_some() && !self.paused.load(Ordering::SeqCst)
    }

    /// Starts the server again on the same port, with what lies in its folder.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.spawn(), "redis-server did not come back on port {}", self.port);
    }

    /// Starts the server again on another port, with what lies in its folder and `arguments` in place of those so far.
    pub fn restart_elsewhere(&mut self, arguments: &[&str]) {
        self.kill();
        self.arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        for _ in 0..5 {
            self.port = free_port();
            if self.spawn() {
                return;
            }
        }
        panic!("redis-server did not come back on another port");
    }

    /// Arguments for the next start.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|a| (*a).to_owned()));
    }

    /// Removes what lies in the server's folder, which is killed first.
    pub fn forget(&mut self) {
        self.kill();
        for entry in std::fs::read_dir(self.dir.path()).expect("folder") {
            std::fs::remove_file(entry.expect("entry").path()).expect("failed to remove a file of redis");
        }
    }

    /// A blocking connection of the test's own.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(format!("redis://{}/", self.address())).expect("redis url");
        client
            .get_connection_with_timeout(Duration::from_secs(10))
            .expect("failed to connect to redis")
    }

    /// Runs a command.
    pub fn run<T: redis::FromRedisValue>(&self, command: &[&[u8]]) -> T {
        let mut cmd = redis::Cmd::new();
        for argument in command {
            cmd.arg(*argument);
        }
        cmd.query(&mut self.connection()).expect("redis-server refused")
    }

    /// Runs a command of words.
    pub fn say<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        self.run(&words)
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("redis is not running").id()
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("redis is not running");
        kill_process(Pid::from_child(child), signal).expect("failed to signal redis");
    }

    /// Whether the server came up.
    fn spawn(&mut self) -> bool {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.dir.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else { return false };
        let child = self.child.insert(child);
        let give_up = Instant::now() + START_WITHIN;
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

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The process may have ended already; there is nobody left to tell.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A TCP port nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("failed to bind a port");
    listener.local_addr().expect("local address").port()
}

/// Whether a Redis server answers there: also "no" (a password is missing) is an answer.
fn answers(port: u16) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut first = [0];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut first).is_ok()
        && matches!(first[0], b'+' | b'-')
}
