//! Reading manifests: files to objects, with every problem naming its file, object and field.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One YAML document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The file it was read from.
    pub file: PathBuf,
    /// The object as written.
    pub json: Value,
}

impl Manifest {
    fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// `kind`, empty when absent.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `Kind namespace/name` for messages.
    pub fn object(&self) -> String {
        let (namespace, name) = (self.text("/metadata/namespace"), self.text("/metadata/name"));
        match (self.kind(), namespace) {
            ("", _) => "a document without a kind".to_owned(),
            (kind, "") => format!("{kind} {name}"),
            (kind, namespace) => format!("{kind} {namespace}/{name}"),
        }
    }
}

/// Something a user has to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// `Kind namespace/name`, where an object was recognised.
    pub object: Option<String>,
    /// Path of the field, where one is to blame.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        for part in [&self.object, &self.field]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
        {
            write!(f, "{part}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// What reading some paths gave.
#[derive(Debug, Default)]
pub struct Reading {
    /// Documents, in order of file name and place.
    pub manifests: Vec<Manifest>,
    /// Files that do not parse.
    pub problems: Vec<Problem>,
    /// Files and folders that could not be read.
    pub unreadable: Vec<Problem>,
}

/// Reads files, and every `*.yaml` and `*.yml` directly in folders.
pub fn read(paths: &[PathBuf]) -> Reading {
    let mut reading = Reading::default();
    for path in paths {
        match files(path) {
            Ok(files) => files.iter().for_each(|file| read_file(file, &mut reading)),
            Err(error) => reading
                .unreadable
                .push(problem(path, format!("cannot be read: {error}"))),
        }
    }
    reading
}

/// The manifest files a path stands for, sorted.
pub fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let is_yaml = file
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        let is_hidden = file
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_yaml && !is_hidden && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(file: &Path, reading: &mut Reading) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            return reading
                .unreadable
                .push(problem(file, format!("cannot be read: {error}")));
        }
    };
    match serde_saphyr::from_multiple::<Value>(&text) {
        Ok(documents) => {
            let written = documents.into_iter().filter(|json| !json.is_null());
            let file = || file.to_owned();
            reading
                .manifests
                .extend(written.map(|json| Manifest { file: file(), json }));
        }
        Err(error) => reading
            .problems
            .push(problem(file, format!("is not valid YAML: {error}"))),
    }
}

fn problem(file: &Path, message: String) -> Problem {
    Problem {
        file: file.to_owned(),
        object: None,
        field: None,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_read_in_order_and_only_its_yaml_files() {
        let folder = folder(&[
            (
                "b.yaml",
                "kind: Model\nmetadata: {name: two}\n---\nkind: Model\nmetadata: {name: three, namespace: farm}\n",
            ),
            ("a.yml", "kind: Model\nmetadata: {name: one}\n"),
            ("model.yaml.example", "kind: Model\n"),
            (".hidden.yaml", "kind: Model\n"),
        ]);
        let reading = read(&[folder.path().to_owned()]);
        let objects: Vec<_> = reading.manifests.iter().map(Manifest::object).collect();
        assert_eq!(objects, ["Model one", "Model two", "Model farm/three"]);
        assert!(reading.problems.is_empty() && reading.unreadable.is_empty());
    }

    #[test]
    fn a_broken_file_is_named_with_the_line_and_stops_no_other() {
        let folder = folder(&[
            ("bad.yaml", "kind: [\n"),
            ("good.yaml", "kind: Model\nmetadata: {name: one}\n"),
        ]);
        let reading = read(&[folder.path().to_owned()]);
        assert_eq!(reading.manifests.len(), 1);
        let message = reading.problems[0].to_string();
        assert!(message.contains("bad.yaml") && message.contains("line"), "{message}");
    }

    #[test]
    fn a_quoted_digest_stays_text_and_a_duplicate_field_is_an_error() {
        let folder = folder(&[("a.yaml", "sha: \"0123\"\n"), ("b.yaml", "ttl: 1h\nttl: 2h\n")]);
        let reading = read(&[folder.path().to_owned()]);
        assert_eq!(reading.manifests[0].json["sha"], "0123");
        assert!(
            reading.problems[0].message.contains("duplicate"),
            "{}",
            reading.problems[0]
        );
    }

    #[test]
    fn a_missing_path_is_said_to_be_unreadable() {
        let reading = read(&[PathBuf::from("/nowhere/at/all.yaml")]);
        assert!(reading.unreadable[0].to_string().contains("/nowhere/at/all.yaml"));
    }
}
