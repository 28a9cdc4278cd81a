//! Arrival decides, not event time: what is new against the inventory.

use std::collections::BTreeSet;

use triplane_contract::run::PlannedObject;

use super::inventory::Inventory;
use super::listing::Listed;

/// A difference between the inventory and the listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A new object, or new content of one.
    Arrived(Listed),
    /// A known object is gone.
    Removed(PlannedObject),
}

impl Change {
    fn place(&self) -> (&str, &str) {
        match self {
            Self::Arrived(listed) => (&listed.source, &listed.path),
            Self::Removed(object) => (&object.source, &object.path),
        }
    }
}

/// Compares by (source, path, `ETag`); sorted by (source, path).
pub(super) fn arrivals(known: &Inventory, listed: Vec<Listed>) -> Vec<Change> {
    let present: BTreeSet<(String, String)> = listed.iter().map(|l| (l.source.clone(), l.path.clone())).collect();
    let new = |l: &Listed| known.get(&l.source, &l.path).is_none_or(|object| object.etag != l.etag);
    let mut changes: Vec<Change> = listed.into_iter().filter(new).map(Change::Arrived).collect();
    let gone = known
        .objects()
        .filter(|o| !present.contains(&(o.source.clone(), o.path.clone())));
    changes.extend(gone.cloned().map(Change::Removed));
    changes.sort_by(|a, b| a.place().cmp(&b.place()));
    changes
}

#[cfg(test)]
mod tests {
    use triplane_contract::run::RunPlan;

    use super::*;

    fn listed(path: &str, etag: &str) -> Listed {
        Listed {
            source: "s".into(),
            path: path.into(),
            etag: etag.into(),
            size: 1,
            last_modified_us: 5,
        }
    }

    fn known(paths: &[(&str, &str)]) -> Inventory {
        let arrived = paths
            .iter()
            .map(|(path, etag)| PlannedObject {
                source: "s".into(),
                path: (*path).into(),
                etag: (*etag).into(),
                size: 1,
                last_modified_us: 5,
                min_us: None,
                max_us: None,
                removed: false,
                unreadable: None,
            })
            .collect();
        let mut inventory = Inventory::default();
        inventory.apply(&RunPlan {
            version: 1,
            run: 1,
            planned_at_us: 0,
            arrived,
        });
        inventory
    }

    #[test]
    fn new_changed_and_removed_objects_arrive_and_known_ones_do_not() {
        let changes = arrivals(
            &known(&[("a", "1"), ("b", "1"), ("d", "1")]),
            vec![listed("b", "2"), listed("c", "1"), listed("d", "1")],
        );
        let names: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::Arrived(l) => format!("+{}", l.path),
                Change::Removed(o) => format!("-{}", o.path),
            })
            .collect();
        assert_eq!(names, ["-a", "+b", "+c"]);
        assert_eq!(arrivals(&known(&[("a", "1")]), vec![listed("a", "1")]), []);
    }
}
