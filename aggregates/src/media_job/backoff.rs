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

    fn cap_ms(failures: u32) -> i64 {
        [2_000, 8_000, 32_000, 128_000]
            .get(failures as usize)
            .copied()
            .unwrap_or(300_000)
    }

    #[test]
    fn the_whole_range_up_to_the_cap_is_used() {
        for failures in [0, 1, 2, 3, 4, 5, u32::MAX] {
            let cap_ms = cap_ms(failures);
            let longest = retry_delay(failures, cap_ms.cast_unsigned());
            assert_eq!(longest, TimeDelta::milliseconds(cap_ms), "{failures}");
            let wrapped = retry_delay(failures, cap_ms.cast_unsigned() + 1);
            assert_eq!(wrapped, TimeDelta::zero(), "{failures}");
        }
    }

    proptest! {
        #[test]
        fn a_delay_is_never_negative_and_never_beyond_its_cap(failures in 0_u32..10, random: u64) {
            let delay_ms = retry_delay(failures, random).num_milliseconds();
            prop_assert!((0..=cap_ms(failures)).contains(&delay_ms));
        }
    }
}
