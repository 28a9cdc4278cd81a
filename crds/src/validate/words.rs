//! Patterns of the schema in the user's words.

use crate::{duration, name, quantity};

/// What a text that matches `pattern` is.
pub(super) fn pattern(pattern: &str) -> String {
    match pattern {
        duration::PATTERN => "a duration such as 50ms, 90s, 12h or 1h30m".to_owned(),
        quantity::PATTERN => "a quantity such as 250m, 2, 512Mi or 1Gi".to_owned(),
        name::OBJECT_NAME => "a name: a-z, 0-9 and -, starting with a letter".to_owned(),
        name::FOREIGN_NAME => "a name: a-z, 0-9, - and .".to_owned(),
        name::IDENTIFIER => "a name: letters, digits and _, not starting with a digit".to_owned(),
        other => format!("of the form {other}"),
    }
}

/// A text in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}
