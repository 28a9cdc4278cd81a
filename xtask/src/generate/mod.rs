//! Everything that is made from the API types.

mod api;
mod conditions;
mod definitions;

use crate::repository::{Repository, Result};

/// A file and what it shall contain.
pub(crate) struct Generated {
    /// Path relative to the root of the checkout.
    pub(crate) path: String,
    /// Its whole text.
    pub(crate) text: String,
}

/// Folders in which every file is generated: others there are left over.
const WHOLE_FOLDERS: [&str; 1] = ["crds/generated/"];

/// Writes every generated file.
pub(crate) fn write(repository: &Repository) -> Result<Vec<String>> {
    for file in files()? {
        repository.write(&file.path, &file.text)?;
    }
    Ok(Vec::new())
}

/// Names every generated file that differs from what would be written.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    let expected = files()?;
    let mut findings = Vec::new();
    for file in &expected {
        let found = repository.text(&file.path)?;
        findings.extend(difference(file, found.as_deref()));
    }
    let is_left_over = |path: &String| {
        WHOLE_FOLDERS.iter().any(|folder| path.starts_with(folder)) && expected.iter().all(|file| file.path != *path)
    };
    let left_over = repository.files()?.into_iter().filter(is_left_over);
    findings.extend(left_over.map(|path| format!("{path}: nothing generates this file: remove it")));
    Ok(findings)
}

fn files() -> Result<Vec<Generated>> {
    let mut files = definitions::files()?;
    files.push(api::file());
    files.push(conditions::file());
    Ok(files)
}

fn difference(file: &Generated, found: Option<&str>) -> Option<String> {
    let Some(found) = found else {
        return Some(format!("{}: missing: run `cargo xtask generate`", file.path));
    };
    let line = file
        .text
        .lines()
        .zip(found.lines())
        .position(|(expected, found)| expected != found);
    let line = line.unwrap_or_else(|| file.text.lines().count().min(found.lines().count())) + 1;
    (found != file.text).then(|| format!("{}:{line}: differs: run `cargo xtask generate`", file.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_named_with_the_first_line_that_differs() {
        let file = Generated {
            path: "a.yaml".to_owned(),
            text: "one\ntwo\n".to_owned(),
        };
        assert_eq!(difference(&file, Some("one\ntwo\n")), None);
        assert_eq!(
            difference(&file, Some("one\n2\n")).unwrap(),
            "a.yaml:2: differs: run `cargo xtask generate`"
        );
        assert_eq!(
            difference(&file, Some("one\n")).unwrap(),
            "a.yaml:2: differs: run `cargo xtask generate`"
        );
        assert!(difference(&file, None).unwrap().contains("missing"));
    }

    #[test]
    fn the_files_are_five_definitions_and_two_pages() {
        let paths: Vec<String> = files().unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths.len(), 7);
        assert!(
            paths.contains(&"crds/generated/featureviews.triplane.dev.yaml".to_owned()),
            "{paths:?}"
        );
    }
}
