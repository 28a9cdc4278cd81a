//! Whether a piece of work starts now, later, or not at all.

use crate::backoff;
use crate::parse::schedule::Schedule;
use crate::work::{Failure, Ticket, Work};

/// Why work is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing of it is done yet.
    Creation,
    /// A new generation of a view has to be filled.
    NewGeneration,
    /// The spec changed since it was done.
    SpecChange,
    /// The schedule is due.
    Schedule,
    /// The last attempt failed.
    Retry,
}

/// The next step of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start it now.
    Start(Cause),
    /// An attempt is under way; another is not started beside it.
    Running,
    /// Not before this time, microseconds.
    At(i64),
    /// It failed in a way that only a change of the spec heals.
    Blocked,
    /// It is done, and no schedule brings it back.
    Idle,
}

/// Decides on the work described by `ticket`. `first` is the cause while nothing is done.
pub fn next<R>(work: &Work<R>, ticket: &Ticket, schedule: Option<&Schedule>, first: Cause, now_us: i64) -> Next {
    if work.running {
        return Next::Running;
    }
    if let Some(failure) = current_failure(work, ticket) {
        if !failure.retryable {
            return Next::Blocked;
        }
        return due(
            backoff::retry_at_us(failure.attempts, failure.at_us),
            Cause::Retry,
            now_us,
        );
    }
    match &work.done {
        None => Next::Start(first),
        Some(done) if done.ticket.content != ticket.content => Next::Start(Cause::SpecChange),
        Some(done) => schedule
            .and_then(|s| s.next_after(work.started_at_us.unwrap_or(done.at_us)))
            .map_or(Next::Idle, |at| due(at, Cause::Schedule, now_us)),
    }
}

/// The failure of the present request; one of an earlier request says nothing any more.
pub fn current_failure<'a, R>(work: &'a Work<R>, ticket: &Ticket) -> Option<&'a Failure> {
    work.failure.as_ref().filter(|failure| failure.ticket == *ticket)
}

fn due(at_us: i64, cause: Cause, now_us: i64) -> Next {
    if at_us <= now_us {
        Next::Start(cause)
    } else {
        Next::At(at_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn ticket(content: &str) -> Ticket {
        Ticket::of(&content, &512)
    }

    fn decide(work: &Work<u8>, schedule: Option<&str>, now_us: i64) -> Next {
        let schedule = schedule.map(|text| Schedule::parse(text).unwrap());
        next(work, &ticket("a"), schedule.as_ref(), Cause::Creation, now_us)
    }

    #[test]
    fn work_that_was_never_done_starts_and_does_not_start_twice() {
        let mut work = Work::default();
        assert_eq!(decide(&work, None, 0), Next::Start(Cause::Creation));
        work.start(0);
        assert_eq!(decide(&work, Some("* * * * *"), 10 * MINUTE), Next::Running);
        work.succeed(ticket("a"), 1, MINUTE);
        assert_eq!(decide(&work, None, 10 * MINUTE), Next::Idle);
    }

    #[test]
    fn a_schedule_counts_from_the_last_start_and_missed_times_are_made_up_once() {
        let mut work = Work::default();
        work.start(MINUTE);
        work.succeed(ticket("a"), 1, 2 * MINUTE);
        assert_eq!(decide(&work, Some("*/15 * * * *"), 3 * MINUTE), Next::At(15 * MINUTE));
        assert_eq!(
            decide(&work, Some("*/15 * * * *"), 100 * MINUTE),
            Next::Start(Cause::Schedule)
        );
        work.start(100 * MINUTE);
        work.succeed(ticket("a"), 1, 101 * MINUTE);
        assert_eq!(
            decide(&work, Some("*/15 * * * *"), 101 * MINUTE),
            Next::At(105 * MINUTE)
        );
    }

    #[test]
    fn a_failed_attempt_waits_longer_each_time_and_a_changed_request_does_not_wait() {
        let mut work: Work<u8> = Work::default();
        work.fail(ticket("a"), "Unreachable", "no answer", true, 0);
        assert_eq!(decide(&work, None, 1), Next::At(5_000_000));
        work.fail(ticket("a"), "Unreachable", "no answer", true, 5_000_000);
        assert_eq!(decide(&work, None, 5_000_001), Next::At(15_000_000));
        assert_eq!(decide(&work, None, 15_000_000), Next::Start(Cause::Retry));
        let bigger = Ticket::of(&"a", &1024);
        assert_eq!(
            next(&work, &bigger, None, Cause::Creation, 6_000_000),
            Next::Start(Cause::Creation)
        );
    }

    #[test]
    fn a_failure_that_only_the_spec_can_heal_is_not_repeated() {
        let mut work: Work<u8> = Work::default();
        work.fail(ticket("a"), "LookbackRequired", "a window needs lookback", false, 0);
        assert_eq!(decide(&work, Some("* * * * *"), i64::MAX / 2), Next::Blocked);
        assert_eq!(
            next(&work, &ticket("b"), None, Cause::Creation, 1),
            Next::Start(Cause::Creation)
        );
    }
}
