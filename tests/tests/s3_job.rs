//! The binary that Jobs run, on S3: credentials from its surroundings, checks before the first write, secrets kept to itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use std::path::Path;
use std::process::{Command, Output};

use triplane_contract::run::{RunReport, RunSpec};
use triplane_contract::store::{OfflineAccess, OnlineAccess, S3Credentials, StoreAccess};
use triplane_tests::fixture::activity::{self, EPOCH_US};
use triplane_tests::minio::Minio;
use triplane_tests::process::Program;
use triplane_tests::world::World;

const UPLOADED_S: u64 = (EPOCH_US / 1_000_000) as u64 + 3 * 86_400;

fn world() -> World {
    let world = World::on_minio(&Minio::shared(), OnlineAccess::Memory);
    let events = activity::events(EPOCH_US, 300, 7, 1);
    let path = format!("{}1.parquet", activity::FOLDER);
    world.put(&path, &activity::parquet(&events), UPLOADED_S);
    world
}

/// The same stores with credentials from the surroundings.
fn from_surroundings(mut access: StoreAccess) -> StoreAccess {
    if let OfflineAccess::S3 { credentials, .. } = &mut access.offline {
        *credentials = S3Credentials::Chain;
    }
    access
}

fn job(spec: &RunSpec, folder: &Path, surroundings: &[(&str, &str)]) -> Output {
    let file = folder.join("run.json");
    std::fs::write(&file, serde_json::to_vec(spec).unwrap()).unwrap();
    let mut command: Command = Program::materializer().command();
    command.args(["run", "--spec"]).arg(file).arg("--scratch").arg(folder);
    // Nothing of the machine's own: no profile, no instance that could be asked.
    for name in [
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", folder).env("AWS_EC2_METADATA_DISABLED", "true");
    // The most that a user would ever be asked to turn on.
    command.env("RUST_LOG", "debug");
    command.envs(surroundings.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_job_takes_credentials_from_its_surroundings_and_shows_no_secret() {
    let world = world();
    let (id, secret) = Minio::shared().keys();
    let spec = activity::run_spec(from_surroundings(world.access()));
    let good = [
        ("AWS_ACCESS_KEY_ID", id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", secret.as_str()),
    ];
    let done = job(&spec, world.scratch(), &good);
    let said = text(&done.stderr);
    assert!(done.status.success(), "{said}");
    let report: RunReport = serde_json::from_slice(&done.stdout).unwrap();
    assert!(report.rows_appended > 0);
    let wrong = [
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "a-very-secret-word"),
    ];
    let refused = job(&spec, world.scratch(), &wrong);
    let said = text(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("S3 refuses the credentials (InvalidAccessKeyId)"),
        "{said}"
    );
    assert!(!said.contains("a-very-secret-word"), "{said}");
}

#[test]
fn a_job_says_what_is_wrong_with_its_bucket_before_it_writes_anything() {
    let world = world();
    let mut spec = activity::run_spec(world.access());
    let nothing = activity::run_spec(from_surroundings(world.access()));
    let said = text(&job(&nothing, world.scratch(), &[]).stderr);
    assert!(said.contains("no credentials were found"), "{said}");
    if let OfflineAccess::S3 { bucket, .. } = &mut spec.store.offline {
        "not-made-yet".clone_into(bucket);
    }
    let said = text(&job(&spec, world.scratch(), &[]).stderr);
    assert!(
        said.contains("bucket not-made-yet does not exist at http://127.0.0.1:"),
        "{said}"
    );
    assert!(world.table(&spec.view).is_none());
}
