//! What goes wrong between a run and its bucket on S3: it heals without a lost row, or the error says what to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use triplane_bucket::BucketError;
use triplane_contract::run::RunSpec;
use triplane_contract::store::{OfflineAccess, OnlineAccess, S3Credentials, StoreAccess};
use triplane_materializer::progress::Silent;
use triplane_materializer::{Environment, RunError};
use triplane_tests::delta::Row;
use triplane_tests::fixture::activity::{self, EPOCH_US, HOUR_US};
use triplane_tests::minio::{Minio, mount};
use triplane_tests::redis::free_port;
use triplane_tests::s3_proxy::{Fault, On, S3Proxy};
use triplane_tests::world::{World, environment};

const UPLOADED_S: u64 = (EPOCH_US / 1_000_000) as u64 + 3 * 86_400;
const NOW_US: i64 = EPOCH_US + 4 * 24 * HOUR_US;
const ALWAYS: usize = usize::MAX;

/// A view whose source has arrived in a bucket behind a proxy.
struct Bed {
    proxy: S3Proxy,
    world: World,
    spec: RunSpec,
}

/// One line of the table.
struct Line {
    fault: String,
    answered: String,
    retried: usize,
    healed_in: Option<Duration>,
    rows_lost: usize,
}

fn print(lines: &[Line]) {
    println!("fault | answered | retried | time to heal | rows lost");
    for line in lines {
        let healed = line
            .healed_in
            .map_or("-".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
        println!(
            "{} | {} | {} | {healed} | {}",
            line.fault, line.answered, line.retried, line.rows_lost
        );
    }
}

impl Bed {
    fn on(minio: &Arc<Minio>) -> Self {
        let proxy = S3Proxy::start(minio.address());
        let world = World::on_minio(minio, OnlineAccess::Memory);
        let events = activity::events(EPOCH_US, 600, 7, 1);
        let path = format!("{}1.parquet", activity::FOLDER);
        world.put(&path, &activity::parquet(&events), UPLOADED_S);
        let spec = activity::run_spec(proxy.access(world.access()));
        Self { proxy, world, spec }
    }

    fn new() -> Self {
        Self::on(&Minio::shared())
    }

    /// With the credentials of `folder` instead of the server's own.
    fn with_keys_of(mut self, folder: &Path) -> Self {
        let OfflineAccess::S3 { credentials, .. } = &mut self.spec.store.offline else {
            panic!("not on S3")
        };
        *credentials = S3Credentials::Files {
            directory: folder.display().to_string(),
        };
        self
    }

    async fn environment(&self) -> Environment {
        environment(&self.spec.store, self.world.scratch(), NOW_US).await
    }

    async fn run(&self, environment: &Environment) -> Result<(), RunError> {
        triplane_materializer::run(&self.spec, environment, &Silent)
            .await
            .map(drop)
    }

    fn facts(&self) -> Vec<Row> {
        self.world
            .table(&self.spec.view)
            .map_or(Vec::new(), |table| table.facts)
    }
}

/// What an undisturbed run leaves, and in which time.
struct Undisturbed {
    facts: Vec<Row>,
    time: Duration,
}

async fn undisturbed() -> Undisturbed {
    let bed = Bed::new();
    let begun = Instant::now();
    bed.run(&bed.environment().await).await.unwrap();
    let time = begun.elapsed();
    let facts = bed.facts();
    assert!(!facts.is_empty());
    Undisturbed { facts, time }
}

/// A run that meets `fault` goes through and leaves what an undisturbed one leaves.
async fn run_heals(name: &str, on: On, times: usize, fault: Fault, expected: &Undisturbed) -> Line {
    let bed = Bed::new();
    let environment = bed.environment().await;
    bed.proxy.set(on, times, fault);
    let begun = Instant::now();
    let answer = bed.run(&environment).await;
    let time = begun.elapsed();
    answer.unwrap_or_else(|error| panic!("{name}: {error}"));
    let facts = bed.facts();
    assert_eq!(facts, expected.facts, "{name}");
    assert!(bed.proxy.met() > 0, "{name}: the fault was not met");
    Line {
        fault: name.to_owned(),
        answered: "yes".to_owned(),
        retried: bed.proxy.met(),
        healed_in: Some(time.saturating_sub(expected.time)),
        rows_lost: expected.facts.len() - facts.len(),
    }
}

/// A run that meets `fault` fails with `code`; when the fault is over, the same bucket does.
async fn run_names(code: &str, fault: Fault, expected: &Undisturbed) -> Line {
    let bed = Bed::new();
    let environment = bed.environment().await;
    bed.proxy.set(On::ANY, ALWAYS, fault);
    let error = bed.run(&environment).await.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    let requests = bed.proxy.seen().len();
    bed.proxy.clear();
    bed.run(&environment).await.unwrap();
    Line {
        fault: format!("{fault:?} for good"),
        answered: error.code().to_owned(),
        retried: requests - 1,
        healed_in: None,
        rows_lost: expected.facts.len() - bed.facts().len(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_through_what_passes() {
    let expected = undisturbed().await;
    let source = On::new("get", activity::FOLDER);
    let slow = Fault::Refuse(503, "SlowDown");
    let mut lines = Vec::new();
    for (name, on, times, fault) in [
        ("503 SlowDown, 8 requests", On::ANY, 8, slow),
        (
            "500 on every first write",
            On::new("put", ""),
            3,
            Fault::Refuse(500, "InternalError"),
        ),
        (
            "409 conflict on the plan",
            On::new("put", "_triplane/runs/"),
            1,
            Fault::Refuse(409, "ConditionalRequestConflict"),
        ),
        ("source breaks off after 300 bytes", source, 6, Fault::Break(300)),
        ("reply to a listing lost", On::new("list", ""), 1, Fault::LoseReply),
        (
            "reply to the plan lost",
            On::new("put", "_triplane/runs/"),
            1,
            Fault::LoseReply,
        ),
        (
            "reply to both commits lost",
            On::new("put", "_delta_log/"),
            2,
            Fault::LoseReply,
        ),
        (
            "reply to a data file lost",
            On::new("put", ".parquet"),
            1,
            Fault::LoseReply,
        ),
        ("ExpiredToken twice", On::ANY, 2, Fault::Refuse(400, "ExpiredToken")),
    ] {
        lines.push(run_heals(name, on, times, fault, &expected).await);
    }
    print(&lines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_names_what_does_not_pass() {
    let expected = undisturbed().await;
    let mut lines = Vec::new();
    for (code, status, said) in [
        ("ExpiredCredentials", 400, "ExpiredToken"),
        ("WrongCredentials", 403, "InvalidAccessKeyId"),
        ("AccessDenied", 403, "AccessDenied"),
        ("BucketMissing", 404, "NoSuchBucket"),
        ("ClockSkew", 403, "RequestTimeTooSkewed"),
        ("WrongRegion", 400, "AuthorizationHeaderMalformed"),
    ] {
        lines.push(run_names(code, Fault::Refuse(status, said), &expected).await);
    }
    print(&lines);
}

/// A credentials folder beside the server's own.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    (folder, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_named_and_a_corrected_one_is_used_without_a_restart() {
    let (_folder, keys) = folder();
    let minio = Minio::shared();
    let (id, secret) = minio.keys();
    let bed = Bed::new().with_keys_of(&keys);
    let environment = bed.environment().await;
    assert_eq!(bed.run(&environment).await.unwrap_err().code(), "NoCredentials");
    for wrong in [
        (id.clone(), "not-the-secret".to_owned()),
        ("nobody".to_owned(), secret.clone()),
    ] {
        mount(&keys, &wrong);
        let begun = Instant::now();
        let error = bed.run(&environment).await.unwrap_err();
        assert_eq!(error.code(), "WrongCredentials", "{error}");
        assert!(!format!("{error} {error:?}").contains("not-the-secret"));
        println!(
            "wrong key | WrongCredentials after {:.1} s",
            begun.elapsed().as_secs_f64()
        );
    }
    mount(&keys, &(id, secret));
    bed.run(&environment).await.unwrap();
    assert!(!bed.facts().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_during_which_the_key_is_replaced_goes_through() {
    let (_folder, keys) = folder();
    let minio = Arc::new(Minio::start());
    mount(&keys, &minio.keys());
    let bed = Bed::on(&minio).with_keys_of(&keys);
    let environment = bed.environment().await;
    bed.run(&environment).await.unwrap();
    let facts = bed.facts();
    let next = ("the-next-user".to_owned(), "the-next-password".to_owned());
    let server = Arc::clone(&minio);
    let new = next.clone();
    tokio::task::spawn_blocking(move || server.restart_with(new))
        .await
        .unwrap();
    let path = format!("{}2.parquet", activity::FOLDER);
    let later = activity::events(EPOCH_US + 12 * HOUR_US, 100, 7, 2);
    bed.world.put(&path, &activity::parquet(&later), UPLOADED_S + 60);
    bed.proxy.forget();
    let begun = Instant::now();
    let replaced = async {
        // Not before the old key was refused.
        triplane_tests::wait::until("the old key is used", Duration::from_secs(10), async || {
            !bed.proxy.seen().is_empty()
        })
        .await;
        mount(&keys, &next);
    };
    let (answer, ()) = tokio::join!(bed.run(&environment), replaced);
    answer.unwrap();
    println!(
        "key replaced during a run | yes | healed in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert!(bed.facts().len() > facts.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflight_says_what_is_wrong_before_anything_is_written() {
    let bed = Bed::new();
    let check = async |access: &StoreAccess| triplane_bucket::preflight(&access.offline, &access.root).await;
    check(&bed.spec.store).await.unwrap();
    check(&bed.spec.store).await.unwrap();
    let marker = On::new("put", "_triplane/preflight.json");
    let cases = [
        ("NoConditionalWrites", marker, Fault::Pretend),
        ("AccessDenied", marker, Fault::Refuse(403, "AccessDenied")),
        ("ClockSkew", On::ANY, Fault::Refuse(403, "RequestTimeTooSkewed")),
        ("Throttled", On::ANY, Fault::Refuse(503, "SlowDown")),
    ];
    for (code, on, fault) in cases {
        bed.proxy.set(on, ALWAYS, fault);
        let error = check(&bed.spec.store).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        println!("preflight, {fault:?} | {error}");
        bed.proxy.clear();
    }
    let missing = with_bucket(&bed.spec.store, "there-is-no-such-bucket", None);
    assert_eq!(check(&missing).await.unwrap_err().code(), "BucketMissing");
    let nowhere = with_bucket(
        &bed.spec.store,
        "b00",
        Some(format!("http://127.0.0.1:{}", free_port())),
    );
    let begun = Instant::now();
    assert_eq!(check(&nowhere).await.unwrap_err().code(), "BucketUnreachable");
    assert!(begun.elapsed() < Duration::from_secs(30), "a check is brief");
}

fn with_bucket(access: &StoreAccess, name: &str, at: Option<String>) -> StoreAccess {
    let mut access = access.clone();
    if let OfflineAccess::S3 { bucket, endpoint, .. } = &mut access.offline {
        name.clone_into(bucket);
        if at.is_some() {
            *endpoint = at;
        }
    }
    access
}

/// A bucket with one object of 200,000 bytes, reached through a proxy.
async fn with_object() -> (Bed, Arc<dyn ObjectStore>, Key, Vec<u8>) {
    let bed = Bed::new();
    let bucket = triplane_bucket::open(&bed.spec.store.offline).unwrap();
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).take(200_000).collect();
    let key = Key::from("some/object");
    bucket.put(&key, PutPayload::from(bytes.clone())).await.unwrap();
    bed.proxy.forget();
    (bed, bucket, key, bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_stalls_or_lies_about_its_length_is_read_whole() {
    let (bed, bucket, key, bytes) = with_object().await;
    let on = On::new("get", "some/object");
    let mut lines = Vec::new();
    for (name, times, fault) in [
        ("body at 1 kB/s", 1, Fault::Crawl(1_000)),
        ("body stands still after 50,000 bytes", 1, Fault::Stall(50_000)),
        ("body breaks off after 30,000 bytes", 5, Fault::Break(30_000)),
        ("Content-Length 500 too large", 2, Fault::Misstate(500)),
        ("Content-Length 500 too small", 2, Fault::Misstate(-500)),
    ] {
        bed.proxy.forget();
        bed.proxy.set(on, times, fault);
        let begun = Instant::now();
        let read = bucket.get(&key).await.unwrap().bytes().await.unwrap();
        assert_eq!(read, bytes, "{name}");
        let part = bucket.get_range(&key, 1_000..190_000).await.unwrap();
        assert_eq!(part, bytes[1_000..190_000], "{name}");
        lines.push(Line {
            fault: name.to_owned(),
            answered: "yes".to_owned(),
            retried: bed.proxy.seen().len() - 2,
            healed_in: Some(begun.elapsed()),
            rows_lost: 0,
        });
        bed.proxy.clear();
    }
    print(&lines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_always_breaks_off_is_an_error_and_a_replaced_object_is_never_mixed() {
    let (bed, bucket, key, bytes) = with_object().await;
    let on = On::new("get", "some/object");
    bed.proxy.set(on, ALWAYS, Fault::Break(0));
    let error = bucket.get(&key).await.unwrap().bytes().await.unwrap_err();
    assert_eq!(
        BucketError::find(&error).map(BucketError::code),
        Some("BucketUnreachable"),
        "{error}"
    );
    bed.proxy.clear();
    bed.proxy.set(on, 1, Fault::Break(60_000));
    let found = bucket.get(&key).await.unwrap();
    bucket.put(&key, PutPayload::from(bytes[1..].to_vec())).await.unwrap();
    let error = found.bytes().await.unwrap_err();
    assert!(matches!(error, object_store::Error::Precondition { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_was_lost_is_told_from_one_that_came_second() {
    let (bed, bucket, _, _) = with_object().await;
    let create = || PutOptions::from(PutMode::Create);
    let (mine, others) = (PutPayload::from_static(b"mine"), PutPayload::from_static(b"another's"));
    let key = Key::from("once/mine");
    bed.proxy.set(On::new("put", "once/"), 1, Fault::LoseReply);
    let put = bucket.put_opts(&key, mine.clone(), create()).await.unwrap();
    assert_eq!(put.e_tag, bucket.head(&key).await.unwrap().e_tag);

    let key = Key::from("once/others");
    bucket.put_opts(&key, others, create()).await.unwrap();
    bed.proxy.set(On::new("put", "once/"), 1, Fault::LoseReply);
    let error = bucket.put_opts(&key, mine, create()).await.unwrap_err();
    assert!(matches!(error, object_store::Error::AlreadyExists { .. }), "{error}");
    assert_eq!(
        bucket.get(&key).await.unwrap().bytes().await.unwrap(),
        b"another's".as_slice()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_in_parts_survives_lost_answers() {
    let (bed, bucket, _, _) = with_object().await;
    let part = |byte: u8, length: usize| PutPayload::from(vec![byte; length]);
    for (name, on, fault) in [
        ("part", On::new("part", "large/"), Fault::LoseReply),
        (
            "part refused",
            On::new("part", "large/"),
            Fault::Refuse(503, "SlowDown"),
        ),
        ("complete", On::new("complete", "large/"), Fault::LoseReply),
        ("begin", On::new("begin", "large/"), Fault::LoseReply),
    ] {
        let key = Key::from(format!("large/{}", name.replace(' ', "-")));
        bed.proxy.set(on, 1, fault);
        let mut upload = bucket.put_multipart(&key).await.unwrap();
        let parts = [upload.put_part(part(1, 5 << 20)), upload.put_part(part(2, 1_000))];
        for part in parts {
            part.await.unwrap();
        }
        let put = upload
            .complete()
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = bucket.head(&key).await.unwrap();
        assert_eq!((found.size, found.e_tag), ((5 << 20) + 1_000, put.e_tag), "{name}");
        bed.proxy.clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listing_and_reading_tell_the_same_of_an_object() {
    let (_bed, bucket, key, bytes) = with_object().await;
    bucket.put(&Key::from("some/empty"), PutPayload::new()).await.unwrap();
    let listed = bucket.list_with_delimiter(Some(&Key::from("some"))).await.unwrap();
    assert_eq!(listed.objects.len(), 2);
    for listed in &listed.objects {
        let head = bucket.head(&listed.location).await.unwrap();
        let read = bucket.get(&listed.location).await.unwrap();
        assert_eq!((listed, &head), (&head, &read.meta));
        let expected = if listed.location == key { bytes.len() } else { 0 };
        assert_eq!(read.bytes().await.unwrap().len(), expected);
    }
    let folders = bucket.list_with_delimiter(None).await.unwrap().common_prefixes;
    assert!(folders.contains(&Key::from("some")), "{folders:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_without_a_body_is_named_by_asking_again() {
    let (bed, bucket, key, _) = with_object().await;
    for (said, code) in [("AccessDenied", "AccessDenied"), ("NoSuchBucket", "BucketMissing")] {
        let status = if said == "AccessDenied" { 403 } else { 404 };
        bed.proxy.set(On::ANY, ALWAYS, Fault::Refuse(status, said));
        let error = bucket.head(&key).await.unwrap_err();
        assert_eq!(BucketError::find(&error).map(BucketError::code), Some(code), "{error}");
        bed.proxy.clear();
    }
    let missing = bucket.head(&Key::from("some/other")).await.unwrap_err();
    assert!(matches!(missing, object_store::Error::NotFound { .. }), "{missing}");
}
