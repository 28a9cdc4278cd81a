//! Which event times a run has to compute again.

use triplane_contract::run::{PlannedObject, RunPlan};

use crate::plan::Inventory;

/// Sorted, disjoint, inclusive ranges of microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    /// Ranges in any order, overlapping or not.
    pub fn new(mut ranges: Vec<(i64, i64)>) -> Self {
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
    pub fn contains(&self, t: i64) -> bool {
        let after = self.0.partition_point(|&(from, _)| from <= t);
        after > 0 && self.0[after - 1].1 >= t
    }

    /// Whether one of them shares a moment with `[from, to]`.
    pub fn overlaps(&self, from: i64, to: i64) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= to);
        after > 0 && self.0[after - 1].1 >= from
    }

    /// The same, each reaching `lookback_us` further back.
    pub fn reaching_back(&self, lookback_us: i64) -> Self {
        Self::new(
            self.0
                .iter()
                .map(|&(from, to)| (from.saturating_sub(lookback_us), to))
                .collect(),
        )
    }

    /// First and last moment.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }

}

/// Output rows that `plan` may change: for each object that arrived, the union of its old and new
/// `[min t, max t + lookback]`. `from_scratch` takes every object there is, too.
pub fn affected(plan: &RunPlan, before: &Inventory, lookback_us: i64, from_scratch: bool) -> Ranges {
    let arrived = plan
        .arrived
        .iter()
        .chain(plan.arrived.iter().filter_map(|o| before.get(&o.source, &o.path)));
    let known = before.objects().filter(|_| from_scratch);
    let span = |object: &PlannedObject| Some((object.min_us?, object.max_us?.saturating_add(lookback_us)));
    Ranges::new(arrived.chain(known).filter_map(span).collect())
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
        assert_eq!(ranges.reaching_back(5), Ranges(vec![(-5, 30)]));
    }

    #[test]
    fn a_replaced_object_affects_its_old_and_its_new_range() {
        let mut before = Inventory::default();
        before.apply(&plan(
            1,
            vec![object("a", Some((0, 10))), object("b", Some((500, 600)))],
        ));
        let next = plan(2, vec![object("a", Some((100, 110))), object("c", None)]);
        assert_eq!(affected(&next, &before, 7, false), Ranges(vec![(0, 17), (100, 117)]));
        assert_eq!(
            affected(&next, &before, 7, true),
            Ranges(vec![(0, 17), (100, 117), (500, 607)])
        );
    }
}
