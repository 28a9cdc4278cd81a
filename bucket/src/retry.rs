//! When a request is made again: one rule for both clients, whose own retries are off. Every attempt is signed anew.

use std::time::Duration;

use crate::error::BucketError;

/// Limits of trying again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Wait before the second attempt, at most.
    pub(crate) first: Duration,
    /// Wait between two attempts, at most.
    pub(crate) longest: Duration,
    /// No attempt begins later than this after the first one began.
    pub(crate) total: Duration,
    /// The same while S3 refuses the credentials: a Secret that is being replaced is seen within this time.
    pub(crate) refused: Duration,
}

impl Policy {
    /// For work that would have to begin anew.
    pub(crate) const PATIENT: Self = Self {
        first: Duration::from_millis(200),
        longest: Duration::from_secs(5),
        total: Duration::from_secs(90),
        refused: Duration::from_secs(5),
    };

    /// For checks whose answer somebody waits for.
    pub(crate) const BRIEF: Self = Self {
        total: Duration::from_secs(10),
        refused: Duration::from_secs(1),
        ..Self::PATIENT
    };

    /// How long to wait before attempt `made + 1`; `None` gives up. `elapsed` is since the first attempt began, `renewed`
    /// whether other credentials were found since, `jitter` is in `[0, 1)`.
    pub(crate) fn pause(
        &self,
        error: &BucketError,
        made: u32,
        elapsed: Duration,
        renewed: bool,
        jitter: f64,
    ) -> Option<Duration> {
        let limit = match (error.is_refusal(), error.is_transient()) {
            // Once: a source that has new ones every time says nothing about what S3 minds.
            (true, _) if renewed && made == 1 => return Some(Duration::ZERO),
            (true, _) => self.refused,
            (false, true) => self.total,
            (false, false) => return None,
        };
        // Between half and all of it: runs that were turned away together do not come back together.
        let whole = self
            .first
            .saturating_mul(1 << made.saturating_sub(1).min(16))
            .min(self.longest);
        let pause = whole.mul_f64(0.5 + jitter / 2.0);
        (elapsed + pause < limit).then_some(pause)
    }
}

/// How long one attempt that carries `bytes` may take: half a minute, and the bytes at 64 KiB/s.
pub(crate) fn attempt_limit(bytes: usize) -> Duration {
    Duration::from_secs(30 + bytes as u64 / (64 << 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> BucketError {
        BucketError::Throttled {
            bucket: "b".into(),
            code: "SlowDown".into(),
        }
    }

    fn expired() -> BucketError {
        BucketError::ExpiredCredentials {
            bucket: "b".into(),
            code: "ExpiredToken".into(),
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_total() {
        let policy = Policy::PATIENT;
        let wait = |made, elapsed, jitter| policy.pause(&busy(), made, elapsed, false, jitter);
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(wait(1, Duration::ZERO, 0.0), ms(100));
        assert_eq!(wait(1, Duration::ZERO, 1.0), ms(200));
        assert_eq!(wait(3, Duration::ZERO, 1.0), ms(800));
        assert_eq!(wait(60, Duration::ZERO, 1.0), Some(policy.longest));
        assert_eq!(wait(60, policy.total * 99 / 100, 1.0), None);
    }

    #[test]
    fn refused_credentials_are_tried_again_at_once_when_others_were_found_and_else_briefly() {
        let policy = Policy::PATIENT;
        assert_eq!(
            policy.pause(&expired(), 1, Duration::ZERO, true, 0.5),
            Some(Duration::ZERO)
        );
        assert!(policy.pause(&expired(), 1, Duration::ZERO, false, 0.5).is_some());
        assert!(policy.pause(&expired(), 2, Duration::ZERO, true, 0.5) > Some(Duration::ZERO));
        assert_eq!(policy.pause(&expired(), 1, policy.refused, false, 0.5), None);
        assert_eq!(policy.pause(&expired(), 9, policy.refused, true, 0.5), None);
    }

    #[test]
    fn what_trying_again_does_not_heal_is_not_tried_again() {
        let missing = BucketError::BucketMissing {
            bucket: "b".into(),
            endpoint: "e".into(),
        };
        assert_eq!(Policy::PATIENT.pause(&missing, 1, Duration::ZERO, true, 0.5), None);
    }
}
