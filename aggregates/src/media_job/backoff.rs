//! How long to wait before another try.

use chrono::TimeDelta;

const FIRST_CAP_MS: u64 = 2_000;
const GROWTH: u64 = 4;
const CAP_MS: u64 = 300_000;

/// Exponential backoff with full jitter: between nothing and the lesser of 5 min and
/// 2 s x 4^`failures`, where `failures` counts the tries that failed before this one. `random` is
/// any evenly distributed number; the bias of taking its remainder is below 10^-13.
pub fn retry_delay(failures: u32, random: u64) -> TimeDelta {
    let cap_ms = FIRST_CAP_MS
        .saturating_mul(GROWTH.saturating_pow(failures))
        .min(CAP_MS);
    let delay_ms = random % (cap_ms + 1);
    TimeDelta::milliseconds(delay_ms.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The number that gives the longest delay.
    fn longest(failures: u32) -> TimeDelta {
        (0..4)
            .map(|n| retry_delay(failures, cap_ms(n)))
            .filter(|d| *d <= limit(failures))
            .max()
            .unwrap()
    }

    fn cap_ms(failures: u32) -> u64 {
        [2_000, 8_000, 32_000, 128_000, 300_000][(failures as usize).min(4)]
    }

    fn limit(failures: u32) -> TimeDelta {
        TimeDelta::milliseconds(cap_ms(failures).cast_signed())
    }

    proptest! {
        #[test]
        fn a_delay_is_never_beyond_its_cap(failures: u32, random: u64) {
            let delay = retry_delay(failures, random);
            prop_assert!(delay >= TimeDelta::zero() && delay <= limit(failures));
        }
    }
}
