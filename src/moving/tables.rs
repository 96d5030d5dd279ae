//! What becomes of each table when a database is copied. A table without a decision fails a test.

/// What becomes of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Every row is copied.
    Copied,
    /// It stays empty: what it holds is about running processes, or is made anew.
    Left,
}

use Fate::{Copied, Left};

/// Every table of the schema. Read models are copied like everything else: they are of the same moment as the log and
/// the positions of their tails.
pub const TABLES: &[(&str, Fate)] = &[
    // The log. Its head comes with it in any case, and before it.
    ("log_head", Left),
    ("events", Copied),
    ("log_segments", Copied),
    ("log_ended_streams", Copied),
    ("log_tiles", Copied),
    // What was signed, and what was given up: by the same key, if that goes along.
    ("log_checkpoint", Copied),
    ("log_rollbacks", Copied),
    ("snapshots", Left),
    ("tails", Copied),
    // The read models.
    ("email_claims", Copied),
    ("users", Copied),
    ("sessions", Copied),
    ("spent_refresh_tokens", Copied),
    ("service_keys", Copied),
    ("webhook_sinks", Copied),
    ("media", Copied),
    ("media_jobs", Copied),
    // The vault: nothing in the log opens or counts without it.
    ("vault_person_keys", Copied),
    ("vault_system_keys", Copied),
    ("vault_passwords", Copied),
    ("vault_totp", Copied),
    ("vault_recovery_codes", Copied),
    ("vault_webhook_secrets", Copied),
    // What is under way.
    ("sign_in_challenges", Copied),
    ("mail_tokens", Copied),
    ("mail_requests", Copied),
    ("outbox", Copied),
    ("webhook_deliveries", Copied),
    ("pending_registrations", Copied),
    ("idempotency_records", Copied),
    ("media_job_leases", Copied),
    ("uploads", Copied),
    ("upload_parts", Copied),
    ("media_claims", Copied),
    // What was counted: a move must not hand out new guesses.
    ("second_factor_failures", Copied),
    ("second_factor_floods", Copied),
    ("sign_in_throttles", Copied),
    ("sign_in_failures", Copied),
    ("anonymous_requests", Copied),
    ("mail_budgets", Copied),
    // What was seen.
    ("session_activity", Copied),
    ("seen_devices", Copied),
    // The servers that run at the source.
    ("nodes", Left),
    ("blob_locks", Left),
];

/// The tables that are copied.
pub fn copied() -> Vec<&'static str> {
    let copied = TABLES.iter().filter(|(_, fate)| *fate == Copied);
    copied.map(|(name, _)| *name).collect()
}

/// Every table that there is a decision for.
pub fn decided() -> Vec<&'static str> {
    TABLES.iter().map(|(name, _)| *name).collect()
}
