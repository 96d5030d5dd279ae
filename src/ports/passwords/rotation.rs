//! Peppers that come while the process runs. Where the master key's pepper is the one of new hashes, a rotation beside the
//! process gives it another one, and whoever got a password elsewhere since then has a hash of that.

use std::collections::HashSet;

use tokio::sync::Mutex;

use super::{PasswordError, Passwords};
use crate::config::PasswordConfig;
use crate::keyring::{Vault, VaultError};

/// Where peppers come from.
#[derive(Debug)]
pub(super) struct Source {
    vault: Vault,
    config: PasswordConfig,
    /// Those that were looked for. What was not found then is nowhere, and is not looked for at every sign-in.
    looked_for: Mutex<HashSet<String>>,
}

impl Source {
    pub(super) fn new(vault: Vault, config: PasswordConfig) -> Self {
        Self {
            vault,
            config,
            looked_for: Mutex::default(),
        }
    }
}

impl Passwords {
    /// Takes the pepper of new hashes that is in force by now.
    ///
    /// # Errors
    /// The database failed, or a pepper that was kept does not open.
    pub async fn follow_rotation(&self) -> Result<(), VaultError> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let pepper = source.vault.pepper_in_force(&source.config);
        if !self.hasher.is_in_force(&pepper) {
            self.hasher
                .learn(source.vault.peppers(&source.config).await?);
            tracing::info!(?pepper, "hashes new passwords with another pepper");
        }
        Ok(())
    }

    /// Looks for the pepper of a hash once, if it is not known. Whoever comes meanwhile waits for what is found.
    pub(super) async fn find_pepper_of(&self, phc: &str) -> Result<(), PasswordError> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        if self.hasher.lacking(phc).is_none() {
            return Ok(());
        }
        let mut looked_for = source.looked_for.lock().await;
        let Some(pepper) = self.hasher.lacking(phc) else {
            return Ok(());
        };
        if looked_for.contains(&pepper) {
            return Ok(());
        }
        let found = source.vault.peppers_anew(&source.config).await;
        let peppers = found.map_err(|error| {
            tracing::error!(%error, pepper, "a pepper was not looked for");
            PasswordError::Fault("the peppers could not be read")
        })?;
        self.hasher.learn(peppers);
        looked_for.insert(pepper);
        Ok(())
    }
}
