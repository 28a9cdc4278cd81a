//! The checkout: where it is, and which text files belong to it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use snafu::{OptionExt, ResultExt, Snafu, ensure};

/// What can go wrong with the checkout.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub(crate) enum Error {
    #[snafu(display("failed to read the current directory: {source}"))]
    CurrentDirectory { source: io::Error },
    #[snafu(display("no Cargo.lock here or above {}: run this inside the checkout", start.display()))]
    NoCheckout { start: PathBuf },
    #[snafu(display("failed to read {path}: {source}"))]
    Read { path: String, source: io::Error },
    #[snafu(display("failed to write {path}: {source}"))]
    Write { path: String, source: io::Error },
    #[snafu(display("failed to run git ls-files: {source}"))]
    RunGit { source: io::Error },
    #[snafu(display("git ls-files failed: {message}"))]
    Git { message: String },
    #[snafu(display("failed to render {path}: {source}"))]
    Yaml {
        path: String,
        source: serde_saphyr::ser::Error,
    },
}

/// Result of a step.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// The checkout.
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The checkout around the current directory.
    pub(crate) fn find() -> Result<Self> {
        let start = env::current_dir().context(CurrentDirectorySnafu)?;
        let root = start
            .ancestors()
            .find(|folder| folder.join("Cargo.lock").is_file())
            .map(Path::to_owned);
        Ok(Self {
            root: root.context(NoCheckoutSnafu { start })?,
        })
    }

    /// Paths that git tracks or would track, relative to the root, `/`-separated, sorted.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context(RunGitSnafu)?;
        ensure!(
            output.status.success(),
            GitSnafu {
                message: String::from_utf8_lossy(&output.stderr).trim()
            }
        );
        let listing = String::from_utf8_lossy(&output.stdout);
        let mut files: Vec<String> = listing
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file; `None` where it does not exist, is a folder, or is not text.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>> {
        let file = self.root.join(path);
        if !file.is_file() {
            return Ok(None);
        }
        Ok(String::from_utf8(fs::read(file).context(ReadSnafu { path })?).ok())
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.root.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).context(WriteSnafu { path })?;
        }
        fs::write(file, text).context(WriteSnafu { path })
    }
}
