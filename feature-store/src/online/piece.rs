//! Pieces of the key space: each has a mark of its own, so that what a shard lost is filled again and nothing else.

use std::ops::RangeInclusive;

/// Slots of the key space.
pub const SLOTS: u16 = 16_384;
/// Slots of the largest piece.
pub const PIECE_SLOTS: u16 = 1_024;

/// Slots `first..=last` that lie on one shard, all within the same 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Piece {
    /// The first slot; the piece's mark lies in it.
    pub first: u16,
    /// The last slot.
    pub last: u16,
}

impl Piece {
    /// The pieces of one server that has every slot.
    pub fn whole() -> Vec<Self> {
        Self::cut([0..=SLOTS - 1])
    }

    /// The pieces of shards, each given by its runs of slots, in the order of their slots.
    pub fn cut(runs: impl IntoIterator<Item = RangeInclusive<u16>>) -> Vec<Self> {
        let mut pieces = Vec::new();
        for run in runs {
            let (mut first, end) = run.into_inner();
            while first <= end && end < SLOTS {
                let last = end.min(first - first % PIECE_SLOTS + PIECE_SLOTS - 1);
                pieces.push(Self { first, last });
                first = last + 1;
            }
        }
        pieces.sort_unstable();
        pieces
    }

    /// Whether `slot` lies in one of `pieces`, which are sorted and apart.
    pub fn any_has(pieces: &[Self], slot: u16) -> bool {
        let after = pieces.partition_point(|piece| piece.first <= slot);
        after > 0 && slot <= pieces[after - 1].last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_sixteen_pieces() {
        let pieces = Piece::whole();
        assert_eq!(pieces.len(), 16);
        assert_eq!((pieces[1].first, pieces[1].last), (1_024, 2_047));
    }

    #[test]
    fn a_shard_that_ends_within_a_thousand_slots_has_a_piece_of_its_own_there() {
        let pieces = Piece::cut([5_461..=10_922, 0..=5_460, 7..=7]);
        let odd = [(5_120, 5_460), (5_461, 6_143), (10_240, 10_922), (7, 7)];
        for (first, last) in odd {
            assert!(pieces.contains(&Piece { first, last }), "{first}-{last} of {pieces:?}");
        }
        assert!(pieces.is_sorted());
    }

    #[test]
    fn a_slot_is_found_in_its_piece_alone() {
        let pieces = Piece::cut([100..=200, 300..=300]);
        for (slot, found) in [
            (99, false),
            (100, true),
            (200, true),
            (201, false),
            (300, true),
            (301, false),
        ] {
            assert_eq!(Piece::any_has(&pieces, slot), found, "{slot}");
        }
        assert!(!Piece::any_has(&[], 0));
    }
}
