//! The text of one tree: lines `key=value value ...`.

use std::str::FromStr;

use super::error::TreeFault;

/// One tree's lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a>(&'a str);

impl<'a> Block<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The value of a line, `None` where the line is missing.
    pub(super) fn line(&self, key: &str) -> Option<&'a str> {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    /// A line with one value.
    pub(super) fn one<T: FromStr>(&self, key: &str) -> Result<T, TreeFault> {
        let text = self.line(key).ok_or_else(|| missing(key))?;
        text.parse()
            .map_err(|_| TreeFault::Malformed(format!("`{key}={}` cannot be read", clip(text))))
    }

    /// A line with exactly `len` values.
    pub(super) fn many<T: FromStr>(&self, key: &str, len: usize) -> Result<Vec<T>, TreeFault> {
        let text = self.line(key).ok_or_else(|| missing(key))?;
        let values: Vec<T> = text
            .split_ascii_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| TreeFault::Malformed(format!("`{key}={}` cannot be read", clip(text))))?;
        if values.len() != len {
            return Err(TreeFault::Malformed(format!(
                "`{key}` has {} values, not {len}",
                values.len()
            )));
        }
        Ok(values)
    }
}

fn missing(key: &str) -> TreeFault {
    TreeFault::Malformed(format!("the line `{key}=` is missing"))
}

/// Enough of a line to recognise it.
fn clip(text: &str) -> &str {
    text.char_indices()
        .nth(60)
        .map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}
