//! What wraps keys: the master key in force, and former ones that still open.

use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::{Cipher, KeyringError, derive, key_id};
use crate::config::{MasterKey, MasterKeys};

/// One master key, as it wraps.
struct Wrap {
    id: String,
    cipher: Cipher,
}

impl Wrap {
    fn of(master: &MasterKey) -> Self {
        Self {
            id: identify(master),
            cipher: Cipher::new(&derive(master.bytes(), "gatelog/key-wrap/v1")),
        }
    }
}

/// Tells a master key apart and nothing else.
pub(super) fn identify(master: &MasterKey) -> String {
    key_id(&derive(master.bytes(), "gatelog/key-id/v1"))
}

/// The wraps of a running process. They change when the master key is rotated meanwhile.
#[derive(Clone)]
pub(super) struct Wraps(Arc<RwLock<Present>>);

struct Present {
    keys: MasterKeys,
    current: Wrap,
    former: Vec<Wrap>,
}

impl Wraps {
    pub fn new(keys: &MasterKeys) -> Self {
        Self(Arc::new(RwLock::new(present(keys.clone()))))
    }

    fn with<T>(&self, look: impl FnOnce(&Present) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one in force.
    pub fn current_id(&self) -> String {
        self.with(|present| present.current.id.clone())
    }

    /// The master keys as they are known by now.
    pub fn keys(&self) -> MasterKeys {
        self.with(|present| present.keys.clone())
    }

    /// Wraps a key: the wrapped one, and under which master key.
    pub fn seal(&self, key: &[u8], aad: &[u8]) -> Result<(Vec<u8>, String), KeyringError> {
        self.with(|present| {
            let sealed = present.current.cipher.seal(key, aad)?;
            Ok((sealed, present.current.id.clone()))
        })
    }

    /// Unwraps a key. When the master key that it names is not known, the keys are read again: somebody may be rotating
    /// them at this moment.
    pub fn open(
        &self,
        id: &str,
        sealed: &[u8],
        aad: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        if !self.knows(id) {
            self.reread();
        }
        self.with(|present| {
            let mut all = std::iter::once(&present.current).chain(&present.former);
            let wrap = all.find(|wrap| wrap.id == id);
            let wrap = wrap.ok_or_else(|| KeyringError::UnknownMasterKey(id.to_owned()))?;
            wrap.cipher.open(sealed, aad)
        })
    }

    pub fn knows(&self, id: &str) -> bool {
        self.with(|present| {
            let mut all = std::iter::once(&present.current).chain(&present.former);
            all.any(|wrap| wrap.id == id)
        })
    }

    /// Takes the keys as their files have them by now.
    pub fn reread(&self) {
        let keys = self.with(|present| present.keys.reread());
        match keys {
            Ok(keys) => {
                *self.0.write().unwrap_or_else(PoisonError::into_inner) = present(keys);
            }
            Err(error) => tracing::error!(%error, "the master keys could not be read again"),
        }
    }
}

fn present(keys: MasterKeys) -> Present {
    Present {
        current: Wrap::of(&keys.current),
        former: keys.former.iter().map(Wrap::of).collect(),
        keys,
    }
}
