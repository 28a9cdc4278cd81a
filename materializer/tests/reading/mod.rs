//! Objects that are replaced while their rows are being read.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use triplane_materializer::progress::{Progress, Step};
use triplane_materializer::run;

use crate::support::{HOUR, Lab, START, SourceRow, WINDOW, batch, row, write_parquet};

/// Where the first column of a Parquet file begins, right after its magic number.
const FIRST_PAGE: u64 = 4;

/// A bucket that replaces an object when its rows are asked for, up to `times` times once it is armed.
struct Overtaken {
    inner: Arc<dyn ObjectStore>,
    object: Path,
    file: PathBuf,
    armed: AtomicBool,
    times: usize,
    replaced: AtomicUsize,
}

impl Overtaken {
    fn overtake(&self, location: &Path, options: &GetOptions) {
        let rows = matches!(&options.range, Some(GetRange::Bounded(range)) if range.start == FIRST_PAGE);
        if *location != self.object || !rows || !self.armed.load(Ordering::SeqCst) {
            return;
        }
        let before = self.replaced.fetch_add(1, Ordering::SeqCst);
        if before < self.times {
            write_parquet(&self.file, &batch(&version(before as i64 + 1)));
        }
    }
}

/// Only what the run reads counts, not what its plan does.
impl Progress for Overtaken {
    fn report(&self, _view: &str, step: &Step) {
        if matches!(step, Step::Planned { .. }) {
            self.armed.store(true, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overtaken({:?})", self.inner)
    }
}

impl fmt::Display for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overtaken({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Overtaken {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.overtake(location, &options);
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// The rows of the n-th version of the object: each has a row that no other has.
fn version(n: i64) -> Vec<SourceRow> {
    vec![
        row("a", START, n),
        row("a", START + n * HOUR / 32, n),
        row("b", START + HOUR, n),
    ]
}

/// A lab whose object has its first version and is replaced `times` times while its rows are read.
fn overtaken(mut lab: Lab, times: usize) -> (Lab, Arc<Overtaken>) {
    lab.put("raw/a.parquet", &version(0));
    lab.put("raw/b.parquet", &[row("c", START + HOUR / 2, 1)]);
    let bucket = Arc::new(Overtaken {
        inner: Arc::clone(&lab.environment.bucket),
        object: Path::from("raw/a.parquet"),
        file: lab.path("raw/a.parquet"),
        armed: AtomicBool::new(false),
        times,
        replaced: AtomicUsize::new(0),
    });
    lab.environment.bucket = bucket.clone();
    (lab, bucket)
}

async fn assert_ends_with_the_last_version(make: fn() -> Lab, times: usize) {
    let (lab, bucket) = overtaken(make(), times);
    run(&lab.spec, &lab.environment, bucket.as_ref()).await.unwrap();
    assert_eq!(
        bucket.replaced.load(Ordering::SeqCst),
        times + 1,
        "read again each time"
    );
    lab.run().await;
    let scratch = make();
    scratch.put("raw/a.parquet", &version(times as i64));
    scratch.put("raw/b.parquet", &[row("c", START + HOUR / 2, 1)]);
    scratch.run().await;
    assert_eq!(lab.current().await, scratch.current().await);
    lab.assert_online_is_the_table().await;
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_is_read_again() {
    assert_ends_with_the_last_version(Lab::plain, 1).await;
    assert_ends_with_the_last_version(Lab::plain, 3).await;
    assert_ends_with_the_last_version(|| Lab::query(WINDOW, HOUR), 2).await;
}

#[tokio::test]
async fn an_object_that_is_replaced_each_time_it_is_read_ends_the_run_to_be_tried_again() {
    let (lab, bucket) = overtaken(Lab::plain(), 17);
    let error = run(&lab.spec, &lab.environment, bucket.as_ref()).await.unwrap_err();
    assert!(
        error.to_string().contains("raw/a.parquet was replaced again and again"),
        "{error}"
    );
    assert!(error.is_retryable());
    lab.run().await;
    let report = lab.run().await;
    assert_eq!(report.run, 2, "the last version is an arrival of its own");
    lab.assert_online_is_the_table().await;
}
