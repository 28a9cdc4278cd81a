use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Facts = Vec<Fact<u32>>;

/// The state from the text alone: replay facts into "what is the newest version of each event time", then look.
fn naive(facts: &[Fact<u32>]) -> Option<(Rank, Content<u32>)> {
    let mut versions: BTreeMap<i64, Fact<u32>> = BTreeMap::new();
    for fact in facts {
        let version = versions.entry(fact.order.event_time_us).or_insert(*fact);
        if fact.order > version.order {
            *version = *fact;
        }
    }
    let newest = versions.values().next_back()?;
    let live = versions.values().rev().find(|fact| !fact.deleted);
    let content = live.map_or(Content::Tombstone, |fact| Content::Live(fact.order, fact.row));
    let known_run = if newest.deleted {
        facts.iter().map(|f| Order::run_of(f.order.sequence)).max()?
    } else {
        0
    };
    Some((
        Rank {
            top: newest.order,
            known_run,
        },
        content,
    ))
}

/// Facts of one key by run, from 1; each run adds a few.
fn any_runs() -> impl Strategy<Value = Vec<Facts>> {
    let fact = (0..4_i64, 0..3_i64, any::<bool>());
    proptest::collection::vec(proptest::collection::vec(fact, 0..3), 1..5).prop_map(|runs| {
        let mut row = 0;
        let mut place = |run: usize, facts: Vec<(i64, i64, bool)>| {
            let fact = |(ordinal, (event_time_us, created_time_us, deleted)): (usize, (i64, i64, bool))| {
                row += 1;
                let sequence = Order::sequence(run as u64 + 1, ordinal as u64);
                Fact {
                    order: Order {
                        event_time_us,
                        created_time_us,
                        sequence,
                    },
                    deleted,
                    row,
                }
            };
            facts.into_iter().enumerate().map(fact).collect()
        };
        runs.into_iter()
            .enumerate()
            .map(|(run, facts)| place(run, facts))
            .collect()
    })
}

fn state_after(runs: &[Facts]) -> Option<(Rank, Content<u32>)> {
    key_state(&mut runs.concat())
}

/// What a publisher sends that knows `runs` and publishes those from `since` on: its newest fact of the delta where that is
/// live, else (a retraction) the state from all facts it knows.
fn message(runs: &[Facts], since: usize) -> Option<(Rank, Content<u32>)> {
    let mut delta = runs[since..].concat();
    match key_state(&mut delta)? {
        (rank, content) if rank.known_run == 0 => Some((rank, content)),
        _ => state_after(runs),
    }
}

#[derive(Default)]
struct Cell(Option<(Rank, Content<u32>)>);

impl Cell {
    /// The write rule; true where the writer has to look at all facts.
    fn write(&mut self, (rank, content): (Rank, Content<u32>)) -> bool {
        match self.0 {
            Some((stored, _)) if rank <= stored => rank < stored && stored.known_run > 0 && rank.known_run == 0,
            _ => {
                self.0 = Some((rank, content));
                false
            }
        }
    }
}

#[test]
fn sequences_keep_their_run_and_order_by_it() {
    assert_eq!(Order::run_of(Order::sequence(3, (1 << 40) - 1)), 3);
    assert!(Order::sequence(2, 0) > Order::sequence(1, (1 << 40) - 1));
}

#[test]
fn a_retraction_leaves_the_next_older_row_that_still_counts() {
    let fact = |event_time_us, created_time_us, run, deleted, row| Fact {
        order: Order {
            event_time_us,
            created_time_us,
            sequence: Order::sequence(run, 0),
        },
        deleted,
        row,
    };
    let (old, new, gone) = (
        fact(1, 1, 1, false, 'o'),
        fact(2, 1, 1, false, 'n'),
        fact(2, 2, 2, true, 'g'),
    );
    let (rank, content) = key_state(&mut [new, gone, old]).unwrap();
    assert_eq!((rank.top, rank.known_run), (gone.order, 2));
    assert_eq!(content, Content::Live(old.order, 'o'));
    let all_gone = fact(1, 3, 3, true, 'x');
    assert_eq!(
        key_state(&mut [new, gone, old, all_gone]).unwrap().1,
        Content::Tombstone
    );
    let again = fact(2, 4, 4, false, 'a');
    assert_eq!(
        key_state(&mut [new, gone, old, all_gone, again]),
        Some((Rank::live(again.order), Content::Live(again.order, 'a')))
    );
    assert_eq!(key_state::<char>(&mut []), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_state_is_that_of_a_replay_whatever_the_order_of_facts(runs in any_runs(), seed in any::<u64>()) {
        let mut facts = runs.concat();
        let expected = naive(&facts);
        let by = seed as usize % facts.len().max(1);
        facts.rotate_left(by);
        if seed % 2 == 0 { facts.reverse(); }
        prop_assert_eq!(key_state(&mut facts), expected);
    }

    #[test]
    fn the_rank_never_falls_and_an_equal_rank_means_equal_content(runs in any_runs()) {
        let states: Vec<_> = (0..=runs.len()).filter_map(|n| state_after(&runs[..n])).collect();
        for pair in states.windows(2) {
            prop_assert!(pair[0].0 <= pair[1].0, "{:?} then {:?}", pair[0], pair[1]);
            prop_assert!(pair[0].0 < pair[1].0 || pair[0].1 == pair[1].1, "{:?} then {:?}", pair[0], pair[1]);
        }
    }

    #[test]
    fn publishers_in_any_interleaving_end_in_the_state_of_all_facts(
        runs in any_runs(), picks in proptest::collection::vec((any::<usize>(), any::<usize>()), 0..6), seed in any::<u64>(),
    ) {
        // A chain publishes what is newer than the mark and then moves it: every run in the end. Between its steps and after
        // it, publishers that were stopped deliver older pictures, from an older mark on.
        let mut cell = Cell::default();
        let mut deliver = |known: usize, since: usize| {
            let Some(sent) = message(&runs[..known], since) else { return };
            if cell.write(sent) && let Some(whole) = state_after(&runs[..known]) {
                cell.write(whole);
            }
        };
        let (mut mark, mut picks) = (0, picks.into_iter());
        for known in 1..=runs.len() {
            // Some runs are published together.
            if known < runs.len() && seed >> known & 1 == 1 { continue }
            deliver(known, mark);
            mark = known;
            for (a, b) in picks.by_ref().take(2) {
                let stale = 1 + a % known;
                deliver(stale, b % stale);
            }
        }
        prop_assert_eq!(cell.0, state_after(&runs));
    }
}
