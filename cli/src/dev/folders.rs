//! Where `triplane dev` keeps things, and the lock that keeps two of them apart.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use snafu::{OptionExt, ResultExt, Snafu};

use triplane_contract::store::OfflineAccess;

use super::saved;
use crate::args::DevSettings;
use crate::bucket::Bucket;

/// Why the folders cannot be used.
#[derive(Debug, Snafu)]
pub enum FoldersError {
    /// The manifests' folder is not there.
    #[snafu(display("failed to open the folder of manifests {}: {source}", path.display()))]
    Manifests {
        /// As given.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The path has no last part to name the state after.
    #[snafu(display("{} has no folder name: say --state DIR", path.display()))]
    NoName {
        /// As given.
        path: PathBuf,
    },
    /// Neither variable is set.
    #[snafu(display("neither XDG_STATE_HOME nor HOME is set: say --state DIR"))]
    NoHome,
    /// The flags of the bucket do not fit together.
    #[snafu(display("{message}"))]
    Bucket {
        /// What to write.
        message: String,
    },
    /// A folder cannot be made.
    #[snafu(display("failed to make {}: {source}", path.display()))]
    Make {
        /// The folder.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// No session was ever begun.
    #[snafu(display("there is no state of `triplane dev` in {}: start it, or say --dir DIR or --state STATE", home.display()))]
    NoState {
        /// Where states are by default.
        home: PathBuf,
    },
    /// It is not clear which session is meant.
    #[snafu(display("`triplane dev` has more than one state: say --state with one of {names}"))]
    SeveralStates {
        /// Their folders.
        names: String,
    },
    /// Another process holds the state.
    #[snafu(display("another `triplane dev` uses {}: end it, or say --state DIR", path.display()))]
    InUse {
        /// The state folder.
        path: PathBuf,
    },
}

/// The folders of one session. The lock is held as long as this lives.
#[derive(Debug)]
pub struct Folders {
    /// Manifests, absolute.
    pub manifests: PathBuf,
    /// State of this folder of manifests.
    pub state: PathBuf,
    /// The bucket, or the folder that stands for it.
    pub bucket: OfflineAccess,
    /// Spills of jobs; emptied at each start.
    pub scratch: PathBuf,
    _lock: File,
}

impl Folders {
    /// Resolves, makes and locks the folders.
    pub fn open(settings: &DevSettings) -> Result<Self, FoldersError> {
        let manifests = settings
            .dir
            .canonicalize()
            .context(ManifestsSnafu { path: &settings.dir })?;
        let state = match &settings.state {
            Some(state) => make(state)?,
            None => make(&default_state(&manifests)?)?,
        };
        let lock_path = state.join("lock");
        let lock = File::create(&lock_path).context(MakeSnafu { path: &lock_path })?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return InUseSnafu { path: state }.fail();
        }
        let scratch = state.join("scratch");
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch).context(MakeSnafu { path: &scratch })?;
        }
        let bucket = match &settings.bucket.bucket {
            None => make(&state.join("bucket"))?,
            Some(Bucket::Folder(folder)) => make(folder)?,
            Some(Bucket::S3(_)) => PathBuf::new(),
        };
        let bucket = settings
            .bucket
            .access(&bucket)
            .map_err(|message| FoldersError::Bucket { message })?;
        Ok(Self {
            bucket,
            scratch: make(&scratch)?,
            manifests,
            state,
            _lock: lock,
        })
    }
}

fn make(path: &Path) -> Result<PathBuf, FoldersError> {
    std::fs::create_dir_all(path).context(MakeSnafu { path })?;
    path.canonicalize().context(MakeSnafu { path })
}

fn default_state(manifests: &Path) -> Result<PathBuf, FoldersError> {
    let name = manifests.file_name().context(NoNameSnafu { path: manifests })?;
    Ok(state_home()?.join(name))
}

/// The state folder of sessions on the manifests in `dir`, or `state` where that is said, or the only one there is.
pub fn find_state(dir: Option<&Path>, state: Option<&Path>) -> Result<PathBuf, FoldersError> {
    if let Some(state) = state {
        return Ok(state.to_owned());
    }
    if let Some(dir) = dir {
        return default_state(&dir.canonicalize().context(ManifestsSnafu { path: dir })?);
    }
    only_state(&state_home()?)
}

fn only_state(home: &Path) -> Result<PathBuf, FoldersError> {
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.retain(|path| path.join(saved::FILE).exists());
    found.sort();
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => NoStateSnafu { home }.fail(),
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            SeveralStatesSnafu {
                names: names.join(", "),
            }
            .fail()
        }
    }
}

/// The folder of every session's state.
fn state_home() -> Result<PathBuf, FoldersError> {
    let absolute = |variable: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .context(NoHomeSnafu)?;
    Ok(home.join("triplane"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn settings(dir: &Path, state: &Path) -> DevSettings {
        let arguments = [
            "triplane".as_ref(),
            "dev".as_ref(),
            dir.as_os_str(),
            "--state".as_ref(),
            state.as_os_str(),
        ];
        match Arguments::parse_from(arguments).command {
            Command::Dev(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_state_is_not_used_twice_and_is_free_again_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let settings = settings(root.path(), &root.path().join("state"));
        let first = Folders::open(&settings).unwrap();
        let error = Folders::open(&settings).unwrap_err().to_string();
        assert!(
            error.contains("another `triplane dev`") && error.contains("--state"),
            "{error}"
        );
        drop(first);
        Folders::open(&settings).unwrap();
    }

    #[test]
    fn the_only_state_is_found_and_of_several_one_has_to_be_named() {
        let home = tempfile::tempdir().unwrap();
        let begin = |name: &str| {
            std::fs::create_dir(home.path().join(name)).unwrap();
            std::fs::write(home.path().join(name).join(saved::FILE), "{}").unwrap();
        };
        std::fs::create_dir(home.path().join("never-begun")).unwrap();
        let error = only_state(home.path()).unwrap_err().to_string();
        assert!(error.contains("no state of `triplane dev`"), "{error}");
        begin("flights");
        assert_eq!(only_state(home.path()).unwrap(), home.path().join("flights"));
        begin("farm");
        let error = only_state(home.path()).unwrap_err().to_string();
        assert!(error.contains("/farm, ") && error.contains("/flights"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("nowhere");
        let error = Folders::open(&settings(&missing, root.path())).unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{error}");
    }
}
