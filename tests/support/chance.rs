//! A small generator, so that a failing run can be repeated by its seed (SplitMix64).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "whoever repeats a run gives the seed and reads it"
)]

/// The generator with its state, at first the seed.
pub struct Chance(pub u64);

impl Chance {
    /// With the seed that the environment gives under this name, so that a run can be repeated, or with a new one.
    pub fn from_environment(name: &str) -> (u64, Self) {
        let given = std::env::var(name).ok().map(|text| text.parse().unwrap());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        println!("{name}={seed}");
        (seed, Self(seed))
    }

    /// A number from 0 on, below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
