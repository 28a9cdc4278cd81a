//! Which event times a run has to compute again.

use triplane_contract::run::{PlannedObject, RunPlan};

use crate::plan::Inventory;

/// Sorted, disjoint, inclusive ranges of microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    /// Ranges in any order, overlapping or not.
    pub(crate) fn new(mut ranges: Vec<(i64, i64)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    /// Whether `t` is in one of them.
    pub(crate) fn contains(&self, t: i64) -> bool {
        let after = self.0.partition_point(|&(from, _)| from <= t);
        after > 0 && self.0[after - 1].1 >= t
    }

    /// Whether one of them shares a moment with `[from, to]`.
    pub(crate) fn overlaps(&self, from: i64, to: i64) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= to);
        after > 0 && self.0[after - 1].1 >= from
    }

    /// Every moment there is.
    pub(crate) fn everything() -> Self {
        Self(vec![(i64::MIN, i64::MAX)])
    }

    /// The same, each as much longer at both ends as the rows in it may look.
    pub(crate) fn reaching(&self, reach: Reach) -> Self {
        Self::new(
            self.0
                .iter()
                .map(|&(from, to)| (from.saturating_sub(reach.back_us), to.saturating_add(reach.ahead_us)))
                .collect(),
        )
    }

    /// First and last moment.
    pub(crate) fn bounds(&self) -> Option<(i64, i64)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }
}

/// How far from its own time the source rows are that a row of the result is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) back_us: i64,
    pub(crate) ahead_us: i64,
}

/// Output rows that `plan` may change: for each object that arrived, the union of its old and new
/// `[min t - ahead, max t + back]`.
pub(crate) fn affected(plan: &RunPlan, before: &Inventory, reach: Reach) -> Ranges {
    let arrived = plan
        .arrived
        .iter()
        .chain(plan.arrived.iter().filter_map(|o| before.get(&o.source, &o.path)));
    let span = |object: &PlannedObject| {
        Some((
            object.min_us?.saturating_sub(reach.ahead_us),
            object.max_us?.saturating_add(reach.back_us),
        ))
    };
    Ranges::new(arrived.filter_map(span).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str, span: Option<(i64, i64)>) -> PlannedObject {
        PlannedObject {
            source: "s".into(),
            path: path.into(),
            etag: String::new(),
            size: 0,
            last_modified_us: 0,
            min_us: span.map(|s| s.0),
            max_us: span.map(|s| s.1),
            removed: false,
            unreadable: None,
        }
    }

    fn plan(run: u64, arrived: Vec<PlannedObject>) -> RunPlan {
        RunPlan {
            version: 1,
            run,
            planned_at_us: 0,
            arrived,
        }
    }

    #[test]
    fn ranges_merge_and_answer_at_their_ends() {
        let ranges = Ranges::new(vec![(10, 20), (0, 5), (21, 30), (3, 4)]);
        assert_eq!(ranges, Ranges(vec![(0, 5), (10, 30)]));
        assert!(ranges.contains(0) && ranges.contains(5) && !ranges.contains(6) && ranges.contains(30));
        assert!(ranges.overlaps(6, 10) && !ranges.overlaps(6, 9) && ranges.overlaps(-5, 100));
        let reach = |back_us, ahead_us| Reach { back_us, ahead_us };
        assert_eq!(ranges.reaching(reach(5, 0)), Ranges(vec![(-5, 30)]));
        assert_eq!(ranges.reaching(reach(0, 3)), Ranges(vec![(0, 8), (10, 33)]));
        assert_eq!(Ranges::everything().reaching(reach(5, 3)), Ranges::everything());
    }

    #[test]
    fn a_replaced_object_affects_its_old_and_its_new_range() {
        let mut before = Inventory::default();
        before.apply(&plan(
            1,
            vec![object("a", Some((0, 10))), object("b", Some((500, 600)))],
        ));
        let next = plan(2, vec![object("a", Some((100, 110))), object("c", None)]);
        let reach = |back_us, ahead_us| Reach { back_us, ahead_us };
        assert_eq!(affected(&next, &before, reach(7, 0)), Ranges(vec![(0, 17), (100, 117)]));
        assert_eq!(affected(&next, &before, reach(7, 7)), Ranges(vec![(-7, 17), (93, 117)]));
    }
}
