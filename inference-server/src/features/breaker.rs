//! The circuit breaker: a state machine of counts and times. Time is passed in, in microseconds of any steady clock.

use triplane_contract::route::Breaker as Settings;

/// Parts the sliding window is counted in.
const PARTS: i64 = 10;

/// What the breaker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Reads go through.
    Closed,
    /// No read goes through.
    Open,
    /// One read at a time probes the store.
    HalfOpen,
}

impl State {
    /// Name in `/admin/state`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }

    /// Value of the gauge: 0 closed, 1 half-open, 2 open.
    pub fn gauge(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// Leave to read. It belongs to the period it was given in: an outcome that comes after the breaker has moved on says
/// nothing about the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    period: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Which part of time this counts.
    number: i64,
    total: u32,
    failed: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until_us: i64 },
    HalfOpen { probing: bool },
}

/// The breaker of one shard.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: Settings,
    phase: Phase,
    period: u64,
    parts: [Part; PARTS as usize],
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            phase: Phase::Closed,
            period: 0,
            parts: Default::default(),
        }
    }

    /// Takes new settings; what was counted stays.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// What the breaker is doing at `now_us`.
    pub fn state(&self, now_us: i64) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { until_us } if now_us < until_us => State::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Asks for leave to read. Each permit is settled once, by `record` or `withdraw`.
    pub fn permit(&mut self, now_us: i64) -> Option<Permit> {
        match &mut self.phase {
            Phase::Closed => {}
            Phase::Open { until_us } if now_us < *until_us => return None,
            Phase::Open { .. } => self.enter(Phase::HalfOpen { probing: true }),
            Phase::HalfOpen { probing: true } => return None,
            Phase::HalfOpen { probing } => *probing = true,
        }
        Some(Permit { period: self.period })
    }

    /// Says how a read went; a slow one is a failed one.
    pub fn record(&mut self, permit: Permit, now_us: i64, ok: bool) {
        if permit.period != self.period {
            return;
        }
        match self.phase {
            Phase::HalfOpen { .. } if ok => {
                self.parts = Default::default();
                self.enter(Phase::Closed);
            }
            Phase::HalfOpen { .. } => self.open(now_us),
            Phase::Open { .. } => {}
            Phase::Closed => {
                self.count(now_us, ok);
                if self.is_too_much(now_us) {
                    self.open(now_us);
                }
            }
        }
    }

    /// Gives a permit back without an outcome: the read was given up for a reason of its own.
    pub fn withdraw(&mut self, permit: Permit) {
        if permit.period == self.period
            && let Phase::HalfOpen { probing } = &mut self.phase
        {
            *probing = false;
        }
    }

    fn open(&mut self, now_us: i64) {
        self.enter(Phase::Open {
            until_us: now_us.saturating_add(self.settings.open_for_us),
        });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.period += 1;
    }

    fn part_number(&self, now_us: i64) -> i64 {
        now_us / (self.settings.window_us / PARTS).max(1)
    }

    fn count(&mut self, now_us: i64, ok: bool) {
        let number = self.part_number(now_us);
        let part = &mut self.parts[number.rem_euclid(PARTS) as usize];
        if part.number != number {
            *part = Part {
                number,
                ..Part::default()
            };
        }
        part.total = part.total.saturating_add(1);
        part.failed = part.failed.saturating_add(u32::from(!ok));
    }

    fn is_too_much(&self, now_us: i64) -> bool {
        let oldest = self.part_number(now_us) - PARTS;
        let (mut total, mut failed) = (0_u64, 0_u64);
        for part in self.parts.iter().filter(|part| part.number > oldest) {
            total += u64::from(part.total);
            failed += u64::from(part.failed);
        }
        let enough = total >= u64::from(self.settings.min_requests.max(1));
        enough && failed > 0 && failed as f64 >= self.settings.failure_ratio * total as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: Settings = Settings {
        failure_ratio: 0.5,
        window_us: 10_000_000,
        min_requests: 20,
        open_for_us: 5_000_000,
    };

    fn read(breaker: &mut Breaker, now_us: i64, ok: bool) {
        let permit = breaker.permit(now_us).unwrap();
        breaker.record(permit, now_us, ok);
    }

    fn opened_at(now_us: i64) -> Breaker {
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..20 {
            read(&mut breaker, now_us, false);
        }
        assert_eq!(breaker.state(now_us), State::Open);
        breaker
    }

    #[test]
    fn it_opens_at_its_ratio_and_not_before_enough_reads() {
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..19 {
            read(&mut breaker, 0, false);
        }
        assert_eq!(breaker.state(0), State::Closed);
        read(&mut breaker, 0, false);
        assert_eq!(breaker.state(0), State::Open);

        let mut breaker = Breaker::new(SETTINGS);
        for index in 0..100 {
            read(&mut breaker, index, index % 5 < 3);
        }
        assert_eq!(breaker.state(100), State::Closed, "40 % failed");
        let mut breaker = Breaker::new(SETTINGS);
        for index in 0..20 {
            read(&mut breaker, index, index % 2 == 0);
        }
        assert_eq!(breaker.state(100), State::Open, "50 % failed");
    }

    #[test]
    fn failures_that_left_the_window_do_not_count() {
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..19 {
            read(&mut breaker, 0, false);
        }
        for index in 0..30 {
            read(&mut breaker, 10_000_000 + index, index % 3 != 0);
        }
        assert_eq!(breaker.state(10_000_030), State::Closed);
    }

    #[test]
    fn after_its_time_one_probe_decides() {
        let mut breaker = opened_at(1_000);
        assert_eq!(breaker.permit(5_000_999), None);
        let probe = breaker.permit(5_001_000).unwrap();
        assert_eq!(breaker.state(5_001_000), State::HalfOpen);
        assert_eq!(breaker.permit(5_001_001), None, "one at a time");
        breaker.record(probe, 5_002_000, true);
        assert_eq!(breaker.state(5_002_000), State::Closed);

        let mut breaker = opened_at(0);
        let probe = breaker.permit(5_000_000).unwrap();
        breaker.record(probe, 5_050_000, false);
        assert_eq!(breaker.permit(10_049_999), None);
        assert!(breaker.permit(10_050_000).is_some());
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_room_for_the_next() {
        let mut breaker = opened_at(0);
        let probe = breaker.permit(5_000_000).unwrap();
        breaker.withdraw(probe);
        assert!(breaker.permit(5_000_001).is_some());
    }

    #[test]
    fn an_outcome_of_an_earlier_period_is_ignored() {
        let mut breaker = Breaker::new(SETTINGS);
        let late = breaker.permit(0).unwrap();
        for _ in 0..20 {
            read(&mut breaker, 0, false);
        }
        breaker.record(late, 6_000_000, true);
        assert_eq!(breaker.permit(4_999_999), None, "a late success does not close it");
        let probe = breaker.permit(5_000_000).unwrap();
        breaker.record(late, 5_000_001, false);
        breaker.record(probe, 5_000_002, true);
        assert_eq!(breaker.state(5_000_002), State::Closed);
    }

    proptest! {
        #[test]
        fn it_always_comes_back_when_the_store_does(
            history in prop::collection::vec((0_i64..3_000_000, any::<bool>(), any::<bool>()), 0..200),
        ) {
            let mut breaker = Breaker::new(SETTINGS);
            let mut now = 0;
            for (wait, ok, gave_up) in history {
                now += wait;
                if let Some(permit) = breaker.permit(now) {
                    if gave_up { breaker.withdraw(permit) } else { breaker.record(permit, now, ok) }
                }
            }
            now += SETTINGS.open_for_us;
            read(&mut breaker, now, true);
            prop_assert_eq!(breaker.state(now), State::Closed);
        }
    }
}
