//! Published marks: which version of which table a piece of the key space has.

use std::fmt;

use super::Piece;

/// Identity of an offline table: two tables never share one, also not when the second took the first one's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableId(pub u128);

/// Names one life of a mark: another one after the mark was lost, whatever took it. Only its store can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MarkToken(pub(super) String);

/// The mark of one piece of a view generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The piece.
    pub piece: Piece,
    /// What `advance_mark` has to be given.
    pub token: MarkToken,
    /// Whose rows the piece holds. `None` where nobody can tell: its rows are being dropped, or that broke off. Rows written
    /// now may be lost; `drop_view` comes first.
    pub table: Option<TableId>,
    /// The table version that is online; `None` where the piece has to be filled.
    pub published: Option<i64>,
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A token that no mark had before.
pub(super) fn fresh_token() -> String {
    format!("{:016x}", rand::random::<u64>())
}
