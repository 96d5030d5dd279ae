//! Passwords: the rules for a new one, and what hashing costs.

use aggregates::values::PasswordPolicy;
use zeroize::Zeroizing;

use super::{ConfigError, Source, network};

/// The least that OWASP's Password Storage Cheat Sheet lets Argon2id cost: memory in KiB and passes, each pair as
/// strong as the others.
const LEAST_COSTS: [(u32, u32); 5] = [
    (47_104, 1),
    (19_456, 2),
    (12_288, 3),
    (9_216, 4),
    (7_168, 5),
];

/// Which rules a new password follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordProfile {
    /// A short minimum and kinds of characters.
    Composition,
    /// NIST SP 800-63B-4: a long minimum and no kinds of characters.
    Nist,
}

impl PasswordProfile {
    /// As the setting spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Composition => "composition",
            Self::Nist => "nist",
        }
    }
}

/// What one Argon2id hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// A root key that a pepper is derived from.
#[derive(Clone)]
pub struct PepperKey(Zeroizing<[u8; 32]>);

impl PepperKey {
    /// The key's bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for PepperKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PepperKey(..)")
    }
}

/// Everything about passwords.
#[derive(Debug, Clone)]
pub struct PasswordConfig {
    /// Which rules.
    pub profile: PasswordProfile,
    /// The rules themselves.
    pub policy: PasswordPolicy,
    /// What the service is called: whoever guesses tries it first.
    pub service_name: String,
    /// Hashes that may run at once.
    pub hash_threads: usize,
    /// What one costs.
    pub cost: Argon2Cost,
    /// The pepper's root key, when it is not the master key.
    pub pepper: Option<PepperKey>,
    /// Root keys of peppers that older hashes may have.
    pub former_peppers: Vec<PepperKey>,
}

impl PasswordConfig {
    pub(super) fn load(source: &Source) -> Result<Self, ConfigError> {
        let profile = profile(source)?;
        Ok(Self {
            profile,
            policy: policy(source, profile)?,
            service_name: network::service_name(source)?,
            hash_threads: hash_threads(source)?,
            cost: cost(source)?,
            pepper: pepper(source)?,
            former_peppers: former_peppers(source)?,
        })
    }
}

fn profile(source: &Source) -> Result<PasswordProfile, ConfigError> {
    match source.text("PASSWORD_POLICY", "composition")?.as_str() {
        "composition" => Ok(PasswordProfile::Composition),
        "nist" => Ok(PasswordProfile::Nist),
        _ => Err(ConfigError::bad(
            "PASSWORD_POLICY",
            "must be composition or nist",
        )),
    }
}

fn policy(source: &Source, profile: PasswordProfile) -> Result<PasswordPolicy, ConfigError> {
    let rules = match profile {
        PasswordProfile::Composition => PasswordPolicy::default(),
        PasswordProfile::Nist => PasswordPolicy::nist(),
    };
    let min = source.number("PASSWORD_MIN_LENGTH", rules.min, rules.min..=64)?;
    let kinds: Vec<String> = source.list("PASSWORD_REQUIRE")?;
    let rules = match (profile, kinds.is_empty()) {
        (_, true) => rules,
        (PasswordProfile::Composition, false) => with_kinds(rules, &kinds)?,
        (PasswordProfile::Nist, false) => {
            let reason = "the policy nist asks for no kinds of characters";
            return Err(ConfigError::bad("PASSWORD_REQUIRE", reason));
        }
    };
    Ok(PasswordPolicy { min, ..rules })
}

fn with_kinds(rules: PasswordPolicy, kinds: &[String]) -> Result<PasswordPolicy, ConfigError> {
    let has = |kind: &str| kinds.iter().any(|given| given == kind);
    let is_known = |kind: &String| matches!(kind.as_str(), "upper" | "lower" | "digit" | "symbol");
    let is_none = kinds.len() == 1 && has("none");
    if !is_none && !kinds.iter().all(is_known) {
        let reason = "must list some of upper, lower, digit and symbol, or be none";
        return Err(ConfigError::bad("PASSWORD_REQUIRE", reason));
    }
    Ok(PasswordPolicy {
        require_upper: has("upper"),
        require_lower: has("lower"),
        require_digit: has("digit"),
        require_symbol: has("symbol"),
        ..rules
    })
}

fn hash_threads(source: &Source) -> Result<usize, ConfigError> {
    // All cores: the threads yield to everything else.
    let default = std::thread::available_parallelism().map_or(1, usize::from);
    source.number("PASSWORD_HASH_THREADS", default, 1..=256)
}

fn cost(source: &Source) -> Result<Argon2Cost, ConfigError> {
    let cost = Argon2Cost {
        memory_kib: source.number("ARGON2_MEMORY_KIB", 19_456, 7_168..=1_048_576)?,
        passes: source.number("ARGON2_PASSES", 2, 1..=64)?,
        lanes: source.number("ARGON2_LANES", 1, 1..=16)?,
    };
    let is_enough = |(memory, passes)| cost.memory_kib >= memory && cost.passes >= passes;
    if LEAST_COSTS.into_iter().any(is_enough) {
        return Ok(cost);
    }
    let pairs = LEAST_COSTS.map(|(memory, passes)| format!("{memory} with {passes}"));
    let reason = format!(
        "with ARGON2_PASSES is less than any of: {}",
        pairs.join(", ")
    );
    Err(ConfigError::bad("ARGON2_MEMORY_KIB", reason))
}

fn pepper(source: &Source) -> Result<Option<PepperKey>, ConfigError> {
    const KEY: &str = "PASSWORD_PEPPER";
    source
        .secret(KEY)?
        .map(|text| parse_key(KEY, &text))
        .transpose()
}

fn former_peppers(source: &Source) -> Result<Vec<PepperKey>, ConfigError> {
    const KEY: &str = "PASSWORD_PEPPER_FORMER";
    let text = Zeroizing::new(source.secret(KEY)?.unwrap_or_default());
    let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
    keys.map(|key| parse_key(KEY, key)).collect()
}

fn parse_key(setting: &str, text: &str) -> Result<PepperKey, ConfigError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    hex::decode_to_slice(text, bytes.as_mut_slice())
        .map_err(|_| ConfigError::bad(setting, "must be 64 hexadecimal characters"))?;
    Ok(PepperKey(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<PasswordConfig, String> {
        PasswordConfig::load(&Source::from_pairs(pairs, &[])).map_err(|error| error.to_string())
    }

    #[test]
    fn the_rules_are_the_documented_ones_unless_the_operator_chooses_others() {
        assert_eq!(load(&[]).unwrap().policy, PasswordPolicy::default());
        let nist = load(&[("PASSWORD_POLICY", "nist")]).unwrap();
        assert_eq!(nist.policy, PasswordPolicy::nist());
        let own = load(&[
            ("PASSWORD_MIN_LENGTH", "12"),
            ("PASSWORD_REQUIRE", "lower, digit"),
        ]);
        let policy = own.unwrap().policy;
        assert_eq!(
            (policy.min, policy.require_lower, policy.require_digit),
            (12, true, true)
        );
        assert!(!policy.require_upper && !policy.require_symbol);
        let none = load(&[("PASSWORD_REQUIRE", "none")]).unwrap().policy;
        assert!(
            !none.require_upper
                && !none.require_lower
                && !none.require_digit
                && !none.require_symbol
        );
    }

    #[test]
    fn no_setting_makes_the_rules_weaker_than_the_profile() {
        for (pairs, key) in [
            (vec![("PASSWORD_MIN_LENGTH", "7")], "PASSWORD_MIN_LENGTH"),
            (
                vec![("PASSWORD_POLICY", "nist"), ("PASSWORD_MIN_LENGTH", "14")],
                "PASSWORD_MIN_LENGTH",
            ),
            (
                vec![("PASSWORD_POLICY", "nist"), ("PASSWORD_REQUIRE", "upper")],
                "PASSWORD_REQUIRE",
            ),
            (vec![("PASSWORD_REQUIRE", "upper,none")], "PASSWORD_REQUIRE"),
            (vec![("PASSWORD_REQUIRE", "emoji")], "PASSWORD_REQUIRE"),
            (vec![("PASSWORD_POLICY", "lax")], "PASSWORD_POLICY"),
        ] {
            assert!(load(&pairs).unwrap_err().contains(key), "{pairs:?}");
        }
    }

    #[test]
    fn hashing_costs_at_least_what_owasp_lists() {
        let cost = |memory: &str, passes: &str, lanes: &str| {
            load(&[
                ("ARGON2_MEMORY_KIB", memory),
                ("ARGON2_PASSES", passes),
                ("ARGON2_LANES", lanes),
            ])
        };
        for (memory, passes) in [
            ("47104", "1"),
            ("19456", "2"),
            ("12288", "3"),
            ("9216", "4"),
            ("7168", "5"),
            ("65536", "3"),
        ] {
            assert!(cost(memory, passes, "1").is_ok(), "{memory} {passes}");
        }
        for (memory, passes) in [
            ("47103", "1"),
            ("19455", "2"),
            ("12287", "3"),
            ("9215", "4"),
            ("7167", "64"),
            ("7168", "4"),
        ] {
            let error = cost(memory, passes, "1").unwrap_err();
            assert!(
                error.contains("ARGON2_MEMORY_KIB"),
                "{memory} {passes}: {error}"
            );
        }
        assert!(
            cost("19456", "2", "0")
                .unwrap_err()
                .contains("ARGON2_LANES")
        );
    }

    #[test]
    fn a_pepper_is_64_hexadecimal_characters_and_never_shown() {
        let (one, two) = ("1a".repeat(32), "2b".repeat(32));
        let both = format!("{one}, {two}");
        let config = load(&[("PASSWORD_PEPPER", &two), ("PASSWORD_PEPPER_FORMER", &both)]).unwrap();
        assert_eq!(config.former_peppers.len(), 2);
        let text = format!("{config:?}");
        assert!(!text.contains(&one) && !text.contains(&two), "{text}");
        for key in ["PASSWORD_PEPPER", "PASSWORD_PEPPER_FORMER"] {
            let error = load(&[(key, "hunter2")]).unwrap_err();
            assert!(error.contains(key) && !error.contains("hunter2"), "{error}");
        }
    }
}
