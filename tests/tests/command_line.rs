//! `triplane features get` and `triplane predict` against a running `triplane dev`, with rows in a Redis and in its process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use triplane_tests::dev::{Dev, Session};
use triplane_tests::fixture::codebook;
use triplane_tests::fixture::table;
use triplane_tests::online;
use triplane_tests::process::Program;
use triplane_tests::redis::Redis;
use triplane_tests::serving::sha256;

/// When the rows of the accounts were true.
const EVENT: &str = "2026-03-01T12:00:00Z";
/// An hour and a half later.
const NOW: &str = "2026-03-01T13:30:00Z";
/// Later than any age at which the rows are served.
const LATER: &str = "2026-03-09T13:30:00Z";

const MANIFESTS: &str = r#"
apiVersion: triplane.dev/v1alpha1
kind: FeatureStore
metadata: {name: fixtures, namespace: tests}
spec:
  online: {managed: {shards: 3, maxMemory: 256Mi}}
  offline: {s3: {bucket: tests, prefix: features}}
---
apiVersion: triplane.dev/v1alpha1
kind: FeatureView
metadata: {name: codes, namespace: tests}
spec:
  storeRef: {name: fixtures}
  entity: {keys: [{name: account, type: String}]}
  features:
  - {name: a, type: Int64, onMissing: Default, default: "7"}
  - {name: b, type: Int64}
  timestampColumn: at
  ttl: 24h
  sources: [{name: codes, parquet: {path: raw/codes/}}]
---
apiVersion: triplane.dev/v1alpha1
kind: Model
metadata: {name: codebook-v1, namespace: tests}
spec:
  storeRef: {name: fixtures}
  format: LightGBM
  artifact: {path: models/codebook/model.txt, sha256: "SHA256"}
  inputs:
  - {feature: codes/a}
  - {feature: codes/b}
  - {request: c, type: Int64}
  output: {name: code, type: Float64}
  baseline: {prediction: -1}
---
apiVersion: triplane.dev/v1alpha1
kind: InferenceService
metadata: {name: codebook, namespace: tests}
spec:
  model: {name: codebook-v1}
  deadline: 10s
  features: {timeout: 5s, onUnavailable: DefaultPrediction, maxImputed: 1}
"#;

/// Manifests, data and state of one machine.
struct Machine {
    bucket: tempfile::TempDir,
    manifests: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = || tempfile::tempdir().unwrap();
        let machine = Self {
            bucket: folder(),
            manifests: folder(),
            state: folder(),
        };
        let event: jiff::Timestamp = EVENT.parse().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let uploaded_s = u64::try_from(event.as_second()).unwrap() + 60;
            table::put(&machine.bucket.path().join(path), bytes, uploaded_s);
        };
        put(
            &format!("{}1.parquet", codebook::FOLDER),
            &codebook::parquet(event.as_microsecond()),
        );
        put(codebook::ARTIFACT, codebook::artifact().as_bytes());
        let manifests = MANIFESTS.replace("SHA256", &sha256(codebook::artifact().as_bytes()));
        std::fs::write(machine.manifests.path().join("all.yaml"), manifests).unwrap();
        machine
    }

    async fn dev(&self, as_of: &str, redis: Option<&str>) -> Dev {
        let mut dev = Dev::start(&Session {
            manifests: self.manifests.path(),
            bucket: &["--bucket".to_owned(), self.bucket.path().display().to_string()],
            state: self.state.path(),
            as_of: Some(as_of),
            redis,
        });
        dev.ready("InferenceService", "codebook").await;
        dev
    }

    /// `triplane features get` on this machine's state.
    fn features(&self, arguments: &[&str]) -> Said {
        let state = self.state.path().display().to_string();
        triplane(&[&["features", "get", "--state", &state], arguments].concat())
    }
}

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Said {
    /// The words of each line; it has to have succeeded.
    fn lines(&self) -> Vec<Vec<&str>> {
        assert_eq!(self.code, Some(0), "{}", self.errors);
        let words = |line| -> Vec<&str> {
            str::split(line, "   ")
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .collect()
        };
        self.out.lines().map(words).collect()
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.errors);
        serde_json::from_str(&self.out).unwrap()
    }

    /// It failed with these words on standard error.
    fn failed_with(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        for word in words {
            assert!(self.errors.contains(word), "\"{word}\" is not in: {}", self.errors);
        }
        assert_eq!(self.out, "");
    }
}

fn triplane(arguments: &[&str]) -> Said {
    let Output { status, stdout, stderr } = Program::triplane().command().args(arguments).output().unwrap();
    Said {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        errors: String::from_utf8(stderr).unwrap(),
    }
}

const HEADER: [&str; 7] = ["VIEW", "FEATURE", "VALUE", "STATUS", "FROM", "EVENT TIME", "AGE"];

/// The rows of account 5 as of `NOW`, in a table and as JSON; and of an account that is not there.
fn assert_reads_features(machine: &Machine, more: &[&str]) {
    let (a, b) = codebook::codes(5);
    let get = |arguments: &[&str]| machine.features(&[arguments, more].concat());
    let found = get(&["--view", "codes", "--key", "account=a-5"]);
    let (a_text, b_text) = (a.to_string(), b.to_string());
    assert_eq!(
        found.lines(),
        [
            HEADER.to_vec(),
            vec!["codes", "a", &a_text, "PRESENT", "row", EVENT, "90m"],
            vec!["codes", "b", &b_text, "PRESENT", "row", EVENT, "90m"],
        ]
    );
    let json = get(&["--key", "account=a-5", "-o", "json"]).json();
    let view = &json["views"][0];
    assert_eq!((&view["view"], &view["age_seconds"]), (&json!("codes"), &json!(5400.0)));
    assert_eq!(
        view["features"][1],
        json!({"name": "b", "value": b, "status": "PRESENT", "from": "row"})
    );
    let absent = get(&["--key", "account=nobody"]);
    assert_eq!(absent.lines()[1], ["codes", "a", "7", "NOT_FOUND", "default", "-", "-"]);
    assert_eq!(absent.lines()[2], ["codes", "b", "NULL", "NOT_FOUND", "-", "-", "-"]);
    get(&["--view", "codez", "--key", "account=a-5"]).failed_with(&["--view codez", "did you mean \"codes\"?"]);
    get(&["--view", "codes"]).failed_with(&["codes needs --key account=VALUE (String)"]);
}

/// One prediction in a table, explained, from a file, and those that are refused.
fn assert_predicts(url: &str, folder: &Path) {
    let predict = |arguments: &[&str]| triplane(&[&["predict", "codebook", "--url", url], arguments].concat());
    let row = ["--key", "account=a-5", "--input", "c=9"];
    let answer = codebook::answer(5, 9);
    let said = predict(&row);
    let lines = said.lines();
    assert_eq!(lines[1][..2], [format!("{answer:?}").as_str(), "codebook-v1"]);
    assert_eq!(lines[1][3..], ["stable", NOW, "-", "-", "false"]);
    let explained = predict(&[&row[..], &["--explain"]].concat());
    assert!(
        explained.out.contains("codes/a") && explained.out.contains("REQUEST"),
        "{}",
        explained.out
    );
    let json = predict(&[&row[..], &["-o", "json"]].concat()).json();
    assert_eq!(json["predictions"], json!([answer]));

    let file = folder.join("request.json");
    std::fs::write(
        &file,
        r#"{"instances": [{"account": "a-5", "c": 9}, {"account": "nobody", "c": null}]}"#,
    )
    .unwrap();
    let both = predict(&["-f", file.to_str().unwrap()]);
    assert_eq!(both.lines().len(), 3);
    assert_eq!(both.lines()[2][5], "codes/a,codes/b", "what was imputed");

    predict(&["--key", "account=a-5"]).failed_with(&["codebook needs c (INT64)", "--null c"]);
    predict(&["--key", "acount=a-5", "--input", "c=9"])
        .failed_with(&["--key: codebook takes no acount", "\"account\""]);
    predict(&["--key", "account=a-5", "--input", "c=nine"]).failed_with(&["c=nine: c is INT64", "a whole number"]);
    std::fs::write(&file, r#"{"instances": [{"account": "a-5", "c": "nine"}]}"#).unwrap();
    predict(&["-f", file.to_str().unwrap()]).failed_with(&["instances[0].c", "WrongType"]);
    triplane(&["predict", "codebok", "--url", url, "--key", "account=a-5"])
        .failed_with(&["no service codebok", "did you mean \"codebook\"?"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_and_predictions_are_read_from_a_session_in_memory() {
    let machine = Machine::new();
    let dev = machine.dev(NOW, None).await;
    let url = format!("http://{}", dev.address());
    assert_reads_features(&machine, &[]);
    assert_predicts(&url, machine.state.path());
    dev.end().await;
    machine
        .features(&["--key", "account=a-5"])
        .failed_with(&["no answer from", "start it", "--redis"]);
    triplane(&["predict", "codebook", "--url", &url, "--key", "account=a-5"]).failed_with(&["no answer from", "--url"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_are_read_from_a_redis_and_those_of_another_clock_are_published_anew() {
    let (machine, mut redis) = (Machine::new(), Redis::start());
    let dev = machine.dev(NOW, Some(&redis.address())).await;
    assert_reads_features(&machine, &[]);
    let said = dev.end().await;
    assert!(!said.contains("dropped"), "{said}");
    // Without the session, too, and where the rows are said to be.
    assert_reads_features(&machine, &["--redis", &redis.address()]);

    // Rows that are past their expiry by the new clock are not there any more.
    let dev = machine.dev(LATER, Some(&redis.address())).await;
    let rows = machine.features(&["--key", "account=a-5"]);
    assert_eq!(rows.lines()[1], ["codes", "a", "7", "NOT_FOUND", "default", "-", "-"]);
    let said = dev.end().await;
    let dropped = format!("{} online rows of earlier sessions are dropped", codebook::ACCOUNTS);
    assert!(said.contains(&dropped), "{said}");
    assert!(online::rows(&redis.dump(), &codebook::view()).is_empty());
    let dev = machine.dev(NOW, Some(&redis.address())).await;
    assert_reads_features(&machine, &[]);
    dev.end().await;

    redis.kill();
    machine
        .features(&["--key", "account=a-5"])
        .failed_with(&[&redis.address(), "is it up"]);
}

#[test]
fn a_session_that_never_was_and_a_redis_that_is_none_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().display().to_string();
    triplane(&["features", "get", "--state", &state, "--key", "a=b"]).failed_with(&["has no state of `triplane dev`"]);
    let said = triplane(&["features", "get", "--redis", "localhost", "--key", "a=b"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.errors.contains("--redis") && said.errors.contains("127.0.0.1:6379"),
        "{said:?}"
    );
}
