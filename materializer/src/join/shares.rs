//! How the memory of a job is shared out.

/// Bytes that each part of the join may hold. The rest of the limit is for decoding and encoding Parquet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Observations of one view, being sorted.
    pub asks: usize,
    /// Facts of one view, being sorted.
    pub facts: usize,
    /// Answers of one view on their way back into observation order.
    pub matches: usize,
    /// Finished answers of one view, kept until every view is done.
    pub answers: usize,
}

impl Shares {
    /// Shares of `limit_bytes` among `views`, of which `at_once` are joined at a time.
    pub fn of(limit_bytes: u64, views: usize, at_once: usize) -> Self {
        let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        let working = limit / 2 / at_once.max(1);
        Self {
            asks: working / 6,
            facts: working / 6 * 4,
            matches: working / 6,
            answers: limit / 8 / views.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_together_leave_a_third_of_the_limit_to_parquet() {
        for (views, at_once) in [(1, 1), (2, 2), (7, 2)] {
            let limit = 512 << 20;
            let shares = Shares::of(limit, views, at_once);
            let held = at_once * (shares.asks + shares.facts + shares.matches) + views * shares.answers;
            assert!(held as u64 <= limit * 2 / 3, "{held} of {limit}");
            assert!(shares.facts >= 64 << 20 || at_once == 2);
        }
    }
}
