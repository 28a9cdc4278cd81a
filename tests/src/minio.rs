//! A real MinIO server on a free port, whose buckets tests may fork, and which they may kill and bring back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use triplane_contract::store::{OfflineAccess, S3Credentials};

use crate::redis::free_port;
use crate::wait::block_on;

/// How long a server may take to be ready before the test gives up on it.
const START_WITHIN: Duration = Duration::from_mins(1);

const REGION: &str = "us-east-1";

/// Keeps the server from outliving the test, however that ends: the pipe on its standard input closes with it.
const GUARDED: &str = r#"minio server --quiet --address "$1" "$2/data" >"$2/log" 2>&1 & echo $!; read -r _; kill -9 $!; wait $!; rm -rf "$2""#;

/// Key id and secret.
pub type Keys = (String, String);

/// One `minio server` process; killed with the test.
pub struct Minio {
    port: u16,
    dir: PathBuf,
    keys: Mutex<Keys>,
    server: Mutex<Option<Server>>,
    buckets: AtomicUsize,
}

struct Server {
    guard: Child,
    pid: Pid,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The guard may have ended already; there is nobody left to tell.
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

impl Minio {
    /// Starts a server and waits until it is ready.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("failed to create a folder for minio").keep();
        std::fs::create_dir(dir.join("data")).expect("failed to create a folder for minio");
        let mut minio = Self {
            port: free_port(),
            dir,
            keys: Mutex::new(("triplane-tests".into(), "triplane-tests".into())),
            server: Mutex::new(None),
            buckets: AtomicUsize::new(0),
        };
        // A port lost to another process between choosing and binding is chosen again.
        for _ in 0..5 {
            if minio.spawn() {
                return minio;
            }
            minio.port = free_port();
        }
        panic!("minio did not start: run scripts/bootstrap minio, and source scripts/env.sh");
    }

    /// The server that the tests of one binary share.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Minio>> = OnceLock::new();
        Arc::clone(SHARED.get_or_init(|| Arc::new(Self::start())))
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// How contract files name `bucket` at `endpoint`, with the keys that the server was started with.
    pub fn access_at(&self, bucket: &str, endpoint: String) -> OfflineAccess {
        let directory = self.dir.join("keys");
        mount(&directory, &self.keys());
        OfflineAccess::S3 {
            bucket: bucket.into(),
            endpoint: Some(endpoint),
            region: Some(REGION.into()),
            credentials: S3Credentials::Files {
                directory: directory.display().to_string(),
            },
        }
    }

    /// How contract files name `bucket`.
    pub fn access(&self, bucket: &str) -> OfflineAccess {
        self.access_at(bucket, self.endpoint())
    }

    /// A new, empty bucket.
    pub fn bucket(&self) -> String {
        let name = self.next_name();
        let client = self.client();
        let create = async { client.create_bucket().bucket(&name).send().await };
        block_on(create).expect("failed to create a bucket");
        name
    }

    /// A bucket with the same objects, to the byte, the `ETag` and the time of change.
    pub fn fork(&self, bucket: &str) -> String {
        let name = self.next_name();
        let data = self.dir.join("data");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(data.join(bucket))
            .arg(data.join(&name))
            .status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "failed to copy bucket {bucket}"
        );
        name
    }

    /// Uploads `bytes` with `modified_s` as the Last-Modified, as replication does.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8], modified_s: u64) {
        let modified = Timestamp::from_second(modified_s as i64).expect("a time").to_string();
        let client = self.client();
        let body = ByteStream::from(bytes.to_vec());
        let put = client.put_object().bucket(bucket).key(key).body(body).customize();
        let put = put.mutate_request(move |request| {
            request.headers_mut().insert("x-minio-source-mtime", modified.clone());
        });
        block_on(async { put.send().await }).expect("failed to put an object");
    }

    /// Removes an object.
    pub fn remove(&self, bucket: &str, key: &str) {
        let client = self.client();
        block_on(async { client.delete_object().bucket(bucket).key(key).send().await })
            .expect("failed to remove an object");
    }

    /// Every object's bytes, by key.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        self.objects_below(bucket, "")
    }

    /// The bytes of every object whose key begins with `prefix`, by key.
    pub fn objects_below(&self, bucket: &str, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let client = self.client();
        block_on(async {
            let mut found = BTreeMap::new();
            let mut pages = client
                .list_objects_v2()
                .bucket(bucket)
                .prefix(prefix)
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                for object in page.expect("a listing").contents() {
                    let key = object.key().expect("a key");
                    let got = client.get_object().bucket(bucket).key(key).send().await;
                    let body = got.expect("an object").body.collect().await.expect("its body");
                    found.insert(key.to_owned(), body.to_vec());
                }
            }
            found
        })
    }

    /// The key id and secret that the server knows.
    pub fn keys(&self) -> Keys {
        self.keys.lock().expect("keys").clone()
    }

    /// SIGKILL, and starts again with `keys` as the only ones it knows.
    pub fn restart_with(&self, keys: Keys) {
        *self.server.lock().expect("server") = None;
        *self.keys.lock().expect("keys") = keys;
        assert!(self.spawn(), "minio did not come back on port {}", self.port);
    }

    /// SIGSTOP: the process keeps its connections and answers nothing.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let server = self.server.lock().expect("server");
        kill_process(server.as_ref().expect("minio is not running").pid, signal).expect("failed to signal minio");
    }

    fn next_name(&self) -> String {
        format!("bucket-{}", self.buckets.fetch_add(1, Ordering::Relaxed))
    }

    fn client(&self) -> aws_sdk_s3::Client {
        let (id, secret) = self.keys();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(self.endpoint())
            .force_path_style(true)
            .credentials_provider(Credentials::new(id, secret, None, None, "tests"));
        aws_sdk_s3::Client::from_conf(config.build())
    }

    fn spawn(&self) -> bool {
        let (id, secret) = self.keys();
        let guard = Command::new("sh")
            .args(["-c", GUARDED, "minio"])
            .arg(self.address())
            .arg(&self.dir)
            .env("MINIO_ROOT_USER", id)
            .env("MINIO_ROOT_PASSWORD", secret)
            .envs([("MINIO_BROWSER", "off"), ("MINIO_UPDATE", "off")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut guard) = guard else { return false };
        let mut line = String::new();
        let said = BufReader::new(guard.stdout.take().expect("piped")).read_line(&mut line);
        let pid = said.ok().and_then(|_| Pid::from_raw(line.trim().parse().ok()?));
        let Some(pid) = pid else { return false };
        *self.server.lock().expect("server") = Some(Server { guard, pid });
        self.wait_until_ready(pid)
    }

    fn wait_until_ready(&self, pid: Pid) -> bool {
        let until = Instant::now() + START_WITHIN;
        while Instant::now() < until {
            if self.is_ready() {
                return true;
            }
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            if stat.map_or(true, |stat| stat.contains(") Z ")) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn is_ready(&self) -> bool {
        let answer = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address())?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"GET /minio/health/ready HTTP/1.0\r\nHost: minio\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        answer().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        *self.server.lock().expect("server") = None;
        // What a full disk leaves behind is the machine's to clean.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Puts keys where a Secret would be mounted; whole files, replaced at once.
pub fn mount(directory: &Path, (id, secret): &Keys) {
    std::fs::create_dir_all(directory).expect("failed to create a folder for keys");
    for (name, text) in [("accessKeyId", id), ("secretAccessKey", secret)] {
        let path = directory.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        let mut part = tempfile::NamedTempFile::new_in(directory).expect("a file");
        part.write_all(text.as_bytes()).expect("failed to write a key");
        part.persist(path).expect("failed to put a key");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_has_the_same_objects_and_goes_its_own_way() {
        let minio = Minio::shared();
        let bucket = minio.bucket();
        minio.put(&bucket, "a/b", b"one", 1_700_000_000);
        let before = listed(&minio, &bucket);
        assert_eq!(before[0].0, "a/b");
        assert_eq!(before[0].2, 1_700_000_000);
        let fork = minio.fork(&bucket);
        assert_eq!(listed(&minio, &fork), before);
        minio.put(&fork, "a/b", b"two", 1_700_000_001);
        minio.put(&fork, "c", b"three", 1_700_000_001);
        assert_eq!(listed(&minio, &bucket), before);
        assert_eq!(minio.objects(&fork)["a/b"], b"two");
        minio.remove(&fork, "a/b");
        assert_eq!(minio.objects(&fork).len(), 1);
    }

    #[test]
    fn a_server_that_came_back_knows_only_its_new_keys() {
        let minio = Minio::start();
        let bucket = minio.bucket();
        minio.put(&bucket, "a", b"one", 1);
        let old = minio.client();
        minio.restart_with(("another-user".into(), "another-password".into()));
        assert_eq!(minio.objects(&bucket)["a"], b"one");
        let refused = block_on(async { old.get_object().bucket(&bucket).key("a").send().await });
        assert!(refused.is_err());
    }

    fn listed(minio: &Minio, bucket: &str) -> Vec<(String, String, i64)> {
        let client = minio.client();
        let page = block_on(async { client.list_objects_v2().bucket(bucket).send().await }).expect("a listing");
        page.contents()
            .iter()
            .map(|object| {
                (
                    object.key().expect("key").to_owned(),
                    object.e_tag().expect("etag").to_owned(),
                    object.last_modified().expect("time").secs(),
                )
            })
            .collect()
    }
}
