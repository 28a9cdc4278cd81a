//! Objects that are replaced, removed or put back between the plan of a run and its reading of them.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use triplane_contract::run::RunReport;
use triplane_materializer::progress::{Progress, Step};
use triplane_materializer::run;

use crate::support::{HOUR, Lab, START, SourceRow, WINDOW, batch, row, write_parquet};

/// Does something once, as soon as a run is planned.
struct OncePlanned<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Progress for OncePlanned<F> {
    fn report(&self, _view: &str, step: &Step) {
        if matches!(step, Step::Planned { .. })
            && let Some(act) = self.0.lock().unwrap().take()
        {
            act();
        }
    }
}

async fn run_with(lab: &Lab, once_planned: impl FnOnce() + Send) -> RunReport {
    let progress = OncePlanned(Mutex::new(Some(once_planned)));
    run(&lab.spec, &lab.environment, &progress).await.unwrap()
}

/// Takes an object away so that it can come back with its `ETag`.
struct Aside(PathBuf, PathBuf);

impl Aside {
    fn put(path: PathBuf) -> Self {
        let aside = path.parent().unwrap().join("_aside");
        std::fs::rename(&path, &aside).unwrap();
        Self(path, aside)
    }

    fn restore(self) {
        std::fs::rename(self.1, self.0).unwrap();
    }
}

/// What a build from scratch gives for what is there now.
async fn assert_as_from_scratch(lab: &Lab, make: fn() -> Lab, files: &[(&str, &[SourceRow])]) {
    let scratch = make();
    for (name, rows) in files {
        scratch.put(name, rows);
    }
    scratch.run().await;
    assert_eq!(lab.current().await, scratch.current().await);
    lab.assert_online_is_the_table().await;
}

fn overwrite(path: &Path, rows: &[SourceRow]) {
    write_parquet(path, &batch(rows));
}

const PLANNED: &[SourceRow] = &[(Some("a"), Some(START), Some(1), None)];
/// Within the range that the other object makes affected, but not within the planned one's own.
const MEANWHILE: &[SourceRow] = &[
    (Some("orphan"), Some(START + 5 * HOUR), Some(2), None),
    (Some("a"), Some(START + HOUR), Some(3), None),
];

fn wide() -> Vec<SourceRow> {
    (0..10).map(|hour| row("w", START + hour * HOUR, hour)).collect()
}

/// An arrival that another content is read of: first for one that comes back as it was, then for one that stays.
async fn rows_read_instead_of_planned_ones_go_again(make: fn() -> Lab) {
    let lab = make();
    lab.put("raw/a.parquet", PLANNED);
    lab.put("raw/b.parquet", &wide());
    let path = lab.path("raw/a.parquet");
    let mut aside = None;
    run_with(&lab, || {
        aside = Some(Aside::put(path.clone()));
        overwrite(&path, MEANWHILE);
    })
    .await;
    let keys = |current: Vec<(String, i64)>| current.into_iter().any(|(key, _)| key == "orphan");
    assert!(
        keys(lab.current().await.into_keys().collect()),
        "the new content was read"
    );
    aside.unwrap().restore();
    let report = lab.run().await;
    assert_eq!(
        report.run, 2,
        "the object is looked at again, though it is what was planned"
    );
    assert_as_from_scratch(&lab, make, &[("raw/a.parquet", PLANNED), ("raw/b.parquet", &wide())]).await;
    let settled = lab.listing();
    assert_eq!(lab.run().await.run, 2);
    assert_eq!(lab.listing(), settled, "nothing is left to do");
}

#[tokio::test]
async fn a_replaced_object_that_is_put_back_leaves_no_row_behind() {
    rows_read_instead_of_planned_ones_go_again(Lab::plain).await;
}

#[tokio::test]
async fn a_replaced_object_that_is_put_back_leaves_no_row_of_a_window_behind() {
    rows_read_instead_of_planned_ones_go_again(|| Lab::query(WINDOW, HOUR)).await;
}

#[tokio::test]
async fn an_object_of_an_earlier_run_may_be_replaced_and_put_back_too() {
    let lab = Lab::plain();
    lab.put("raw/a.parquet", &[row("a", START, 1), row("a", START + 9 * HOUR, 2)]);
    lab.run().await;
    lab.put("raw/b.parquet", &wide());
    let path = lab.path("raw/a.parquet");
    let mut aside = None;
    run_with(&lab, || {
        aside = Some(Aside::put(path.clone()));
        overwrite(&path, MEANWHILE);
    })
    .await;
    aside.unwrap().restore();
    lab.run().await;
    let planned = [row("a", START, 1), row("a", START + 9 * HOUR, 2)];
    assert_as_from_scratch(
        &lab,
        Lab::plain,
        &[("raw/a.parquet", &planned), ("raw/b.parquet", &wide())],
    )
    .await;
}

#[tokio::test]
async fn an_object_that_is_away_or_broken_while_it_is_read_is_read_once_it_is_back() {
    for broken in [false, true] {
        let lab = Lab::plain();
        lab.put("raw/a.parquet", PLANNED);
        lab.put("raw/b.parquet", &wide());
        let path = lab.path("raw/a.parquet");
        let mut aside = None;
        run_with(&lab, || {
            aside = Some(Aside::put(path.clone()));
            if broken {
                std::fs::write(&path, "half an upload").unwrap();
            }
        })
        .await;
        assert_as_from_scratch(&lab, Lab::plain, &[("raw/b.parquet", &wide())]).await;
        aside.unwrap().restore();
        lab.run().await;
        let files: [(&str, &[SourceRow]); 2] = [("raw/a.parquet", PLANNED), ("raw/b.parquet", &wide())];
        assert_as_from_scratch(&lab, Lab::plain, &files).await;
    }
}

#[tokio::test]
async fn an_object_that_was_replaced_for_good_or_removed_afterwards_is_no_different() {
    for removed in [false, true] {
        let lab = Lab::plain();
        lab.put("raw/a.parquet", PLANNED);
        lab.put("raw/b.parquet", &wide());
        let path = lab.path("raw/a.parquet");
        run_with(&lab, || overwrite(&path, MEANWHILE)).await;
        let mut files: Vec<(&str, &[SourceRow])> = vec![("raw/a.parquet", MEANWHILE)];
        if removed {
            std::fs::remove_file(&path).unwrap();
            files.clear();
        }
        lab.run().await;
        let rows = wide();
        files.push(("raw/b.parquet", &rows));
        assert_as_from_scratch(&lab, Lab::plain, &files).await;
    }
}
