//! Size budgets: a file of at most 400 lines without its tests, short `main` and `reconcile`.

use crate::repository::{Repository, Result};

/// Lines of a source file before its tests.
const FILE_LINES: usize = 400;

/// Lines of functions that only connect others.
const FUNCTION_LINES: [(&str, usize); 2] = [("main", 50), ("reconcile", 40)];

/// Findings over every Rust file of the checkout.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in repository.files()?.into_iter().filter(|path| counts(path)) {
        if let Some(text) = repository.text(&path)? {
            findings.extend(check_file(&path, &text));
        }
    }
    Ok(findings)
}

/// Whether a file has a budget: Rust that is not a test, a bench or a fuzz target.
fn counts(path: &str) -> bool {
    let is_rust = path.strip_suffix(".rs").is_some_and(|stem| !stem.ends_with("/tests"));
    is_rust && !path.split('/').any(|part| ["tests", "benches", "fuzz"].contains(&part))
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").collect();
    let mut findings = Vec::new();
    if code.len() > FILE_LINES {
        findings.push(format!(
            "{path}: {} lines before its tests, at most {FILE_LINES}: split it by idea",
            code.len()
        ));
    }
    for (name, budget) in FUNCTION_LINES {
        findings.extend(
            function_lengths(&code, name)
                .into_iter()
                .filter(|(_, length)| *length > budget)
                .map(|(line, length)| {
                    format!("{path}:{line}: fn {name} has {length} lines, at most {budget}: move steps out")
                }),
        );
    }
    findings
}

/// First line (from 1) and length of each function with this name, in formatted code.
fn function_lengths(code: &[&str], name: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (start, line) in code.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some((before, after)) = line.split_once(&format!("fn {name}")) else {
            continue;
        };
        if !after.starts_with(['(', '<']) || before.contains("//") {
            continue;
        }
        // rustfmt puts the closing brace below the first letter of the signature.
        let end = code[start..]
            .iter()
            .position(|line| line.len() == indent + 1 && line.trim() == "}");
        found.extend(end.map(|end| (start + 1, end + 1)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_allowed_file_passes_and_one_line_more_is_named_with_its_count() {
        let lines = |count: usize| "x\n".repeat(count) + "#[cfg(test)]\n" + &"y\n".repeat(500);
        assert_eq!(check_file("a.rs", &lines(400)), Vec::<String>::new());
        let findings = check_file("a.rs", &lines(401));
        assert!(
            findings.len() == 1 && findings[0].starts_with("a.rs: 401 lines"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_long_main_is_named_with_its_line_and_count() {
        let main = |count: usize| format!("\nasync fn main() -> Exit {{\n{}}}\n", "    step();\n".repeat(count));
        assert_eq!(check_file("a.rs", &main(48)), Vec::<String>::new());
        let findings = check_file("a.rs", &main(49));
        assert!(
            findings.len() == 1 && findings[0].starts_with("a.rs:2: fn main has 51 lines"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_long_method_ends_at_its_own_brace() {
        let text = format!(
            "impl A {{\n    fn reconcile(&self) {{\n{}    }}\n}}\n",
            "        step();\n".repeat(60)
        );
        assert!(check_file("a.rs", &text)[0].contains("fn reconcile has 62 lines"));
    }

    #[test]
    fn tests_benches_and_fuzz_targets_have_no_budget() {
        for path in [
            "a/tests/b.rs",
            "a/src/b/tests.rs",
            "a/benches/b.rs",
            "fuzz/b.rs",
            "a.txt",
        ] {
            assert!(!counts(path), "{path}");
        }
        assert!(counts("a/src/b.rs"));
    }
}
