//! When failed work is tried again: 5 s, 10 s, 20 s, ... 5 minutes, from the failure's own time.

/// Delay after the first failure.
const BASE_US: i64 = 5_000_000;
/// Longest delay.
const CAP_US: i64 = 300_000_000;

/// When to try again after `attempts` failures in a row (from 1), the last at `failed_at_us`.
pub fn retry_at_us(attempts: u32, failed_at_us: i64) -> i64 {
    let doublings = attempts.saturating_sub(1).min(16);
    failed_at_us.saturating_add((BASE_US << doublings).min(CAP_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_five_minutes() {
        let delays: Vec<i64> = [0, 1, 2, 3, 6, 7, 8, u32::MAX]
            .map(|n| retry_at_us(n, 100) - 100)
            .to_vec();
        let seconds: Vec<i64> = delays.iter().map(|us| us / 1_000_000).collect();
        assert_eq!(seconds, [5, 5, 10, 20, 160, 300, 300, 300]);
    }
}
