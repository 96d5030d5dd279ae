//! A fixed number of jobs at a time. There is no queue here: who gets no slot is told to come back.

use std::sync::{Arc, Mutex, PoisonError};

use crate::api::Preset;

/// General slots, numbered from 0, and one light slot after them.
#[derive(Debug)]
pub struct Slots {
    taken: Mutex<Vec<bool>>,
}

/// Held by a job until it ends; dropping it frees the slot.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    index: usize,
}

/// Slots that only quick presets may use, so that a long job cannot hold up a thumbnail.
pub const LIGHT_SLOTS: usize = 1;

impl Slots {
    pub fn new(general: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::new(vec![false; general + LIGHT_SLOTS]),
        })
    }

    /// A free slot for this preset: a quick one takes the light slot first.
    pub fn take(self: &Arc<Self>, preset: Preset) -> Option<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let light = taken.len() - LIGHT_SLOTS;
        let may_use_light = match preset {
            Preset::Metadata | Preset::Poster | Preset::Image => true,
            Preset::WebVideo | Preset::Preview | Preset::Audio | Preset::Waveform | Preset::Hls => {
                false
            }
        };
        let candidates = (light..taken.len())
            .filter(|_| may_use_light)
            .chain(0..light);
        let index = candidates
            .into_iter()
            .find(|index| taken.get(*index) == Some(&false))?;
        *taken.get_mut(index)? = true;
        Some(Slot {
            slots: Arc::clone(self),
            index,
        })
    }

    pub fn general(&self) -> usize {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
            - LIGHT_SLOTS
    }

    pub fn free(&self) -> usize {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.iter().filter(|taken| !**taken).count()
    }
}

impl Slot {
    /// Distinguishes the slots, from 0.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self
            .slots
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = taken.get_mut(self.index) {
            *slot = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_held_by_one_and_freed_by_its_end() {
        let slots = Slots::new(1);
        let first = slots.take(Preset::Poster).unwrap();
        let second = slots.take(Preset::Metadata).unwrap();
        assert_eq!(
            (first.index(), second.index()),
            (1, 0),
            "the light slot goes first"
        );
        assert!(slots.take(Preset::Poster).is_none());
        drop(first);
        assert_eq!(slots.free(), 1);
        assert_eq!(slots.take(Preset::Poster).unwrap().index(), 1);
    }
}
