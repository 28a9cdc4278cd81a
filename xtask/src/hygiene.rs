//! No file names the machine or the mirrors of its author.

use crate::repository::{Repository, Result};

/// Folders that hold people's homes.
const HOMES: [&str; 3] = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Hosts that clients of registries ask by themselves; which mirror they use is a setting of the machine.
/// Each is written in two parts, so that this file passes its own check.
const REGISTRIES: [&str; 6] = [
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("files.python", "hosted.org"),
    concat!("pypi", ".org/simple"),
    concat!("registry.npm", "js.org"),
    concat!("proxy.go", "lang.org"),
];

/// Findings over every text file of the checkout. Lock files name their registries on purpose.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in repository.files()?.into_iter().filter(|path| !is_lock_file(path)) {
        if let Some(text) = repository.text(&path)? {
            findings.extend(check_text(&path, &text));
        }
    }
    Ok(findings)
}

fn is_lock_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let lock_names = [
        "Cargo.lock",
        "uv.lock",
        "go.sum",
        "package-lock.json",
        "requirements.lock",
    ];
    lock_names.contains(&name)
}

fn check_text(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = format!("{path}:{}", index + 1);
        if let Some(home) = HOMES.iter().find(|home| names_path(line, home)) {
            findings.push(format!(
                "{at}: names a path below {home}: say it relative to the checkout or by a variable"
            ));
        }
        if let Some(host) = REGISTRIES.iter().find(|host| line.contains(*host)) {
            findings.push(format!(
                "{at}: names the registry host {host}: leave it to the client's configuration"
            ));
        }
    }
    findings
}

/// Whether an absolute path below `home` starts somewhere in the line.
fn names_path(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(position, _)| {
        // Inside a longer path or a URL it is just a folder of that name.
        let before = line[..position].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "_-.}>)/".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_directory_is_named_with_its_line() {
        let text = format!("first\npath = \"{}me/project\"\n", HOMES[1]);
        let findings = check_text("a.toml", &text);
        assert!(
            findings.len() == 1 && findings[0].starts_with("a.toml:2: names a path"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_folder_of_that_name_inside_a_path_passes() {
        let text = format!("https://example.com{0}x $STORE{0} a{0}b", HOMES[0]).replace("$STORE", "${STORE}");
        assert_eq!(check_text("a.md", &text), Vec::<String>::new());
    }

    #[test]
    fn a_registry_host_is_refused_except_in_lock_files() {
        let findings = check_text("Makefile", &format!("curl https://{}/x", REGISTRIES[0]));
        assert!(findings[0].contains("registry host"), "{findings:?}");
        assert!(is_lock_file("Cargo.lock") && is_lock_file("sdk/uv.lock") && !is_lock_file("Makefile"));
    }
}
