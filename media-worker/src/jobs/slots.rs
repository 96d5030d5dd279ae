//! A fixed number of programs at a time, and a fixed number of jobs around them. There is no queue here: who gets no
//! place is told to come back.
//!
//! A slot is the right to run a preset's program. A job has a place from its reservation to its end: its folder and its
//! user. There are two places for each slot, so that the input of the next job is here when a program ends, and what it
//! made is checked while the next one runs. The second place opens only when a program is about to end: a job that
//! comes early is decided on early, and holds up whatever is more urgent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::Preset;

/// Slots that only quick presets may use, so that a long job cannot hold up a thumbnail.
pub const LIGHT_SLOTS: usize = 1;
const PLACES_PER_SLOT: usize = 2;

/// How far the job of a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its program has not begun.
    Coming,
    /// Its program runs.
    Working,
    /// As before, and not for long.
    Ending,
    /// Its program has ended; what it made is checked.
    Leaving,
}

/// The places: those of the general slots, the light one, then the second ones of the general slots.
#[derive(Debug)]
pub struct Slots {
    general: usize,
    places: Mutex<Vec<Option<Phase>>>,
    /// One permit for each general slot.
    programs: Arc<Semaphore>,
}

/// What can be reserved now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Slots for quick presets alone.
    pub light: usize,
    /// Slots for any preset.
    pub general: usize,
    /// Places for jobs that begin when a program which is about to end has ended.
    pub soon: usize,
}

/// A job's place; dropping it frees the place, and the slot if the job still has it.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    index: usize,
    program: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Slots {
    pub fn new(general: usize) -> Arc<Self> {
        Arc::new(Self {
            general,
            places: Mutex::new(vec![None; general * PLACES_PER_SLOT + LIGHT_SLOTS]),
            programs: Arc::new(Semaphore::new(general)),
        })
    }

    /// A place for this preset: a quick one takes the light slot first, and never waits for a program to end.
    pub fn take(self: &Arc<Self>, preset: Preset) -> Option<Slot> {
        let mut places = self.lock();
        let room = self.room_in(&places);
        let is_quick = preset.is_quick();
        let index = if is_quick && room.light > 0 {
            self.general
        } else if room.general > 0 || (room.soon > 0 && !is_quick) {
            self.general_places()
                .find(|index| places.get(*index) == Some(&None))?
        } else {
            return None;
        };
        *places.get_mut(index)? = Some(Phase::Coming);
        Some(Slot {
            slots: Arc::clone(self),
            index,
            program: Mutex::default(),
        })
    }

    pub fn general(&self) -> usize {
        self.general
    }

    pub fn room(&self) -> Room {
        self.room_in(&self.lock())
    }

    fn room_in(&self, places: &[Option<Phase>]) -> Room {
        let of = |phase: Option<Phase>| {
            let general = self.general_places();
            general
                .filter(|index| places.get(*index) == Some(&phase))
                .count()
        };
        let (coming, working) = (of(Some(Phase::Coming)), of(Some(Phase::Working)));
        let (ending, vacant) = (of(Some(Phase::Ending)), of(None));
        let wanted = coming + working + ending;
        let general = self.general.saturating_sub(wanted).min(vacant);
        let early = wanted.saturating_sub(self.general);
        Room {
            light: usize::from(places.get(self.general) == Some(&None)),
            general,
            soon: ending.saturating_sub(early).min(vacant - general),
        }
    }

    /// The numbers of the places that the light slot has no part in.
    fn general_places(&self) -> impl Iterator<Item = usize> + use<> {
        let light = self.general..self.general + LIGHT_SLOTS;
        let all = 0..self.general * PLACES_PER_SLOT + LIGHT_SLOTS;
        all.filter(move |index| !light.contains(index))
    }

    fn set(&self, index: usize, phase: Option<Phase>) {
        if let Some(place) = self.lock().get_mut(index) {
            *place = phase;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Phase>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Slots that are free, whatever for.
    pub fn free(self) -> usize {
        self.light + self.general
    }
}

impl Slot {
    /// Distinguishes the places, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Waits until the program may run; at once unless the job came early. Again: harmless.
    pub async fn begin(&self) {
        if self.is_light() || self.program().is_some() {
            return;
        }
        // The semaphore is never closed.
        let permit = Arc::clone(&self.slots.programs).acquire_owned().await.ok();
        *self.program() = permit;
        self.slots.set(self.index, Some(Phase::Working));
    }

    /// The program will soon have ended.
    pub fn ends_soon(&self) {
        if !self.is_light() && self.program().is_some() {
            self.slots.set(self.index, Some(Phase::Ending));
        }
    }

    /// The program has ended: the next one may run. Again: harmless.
    pub fn leave(&self) {
        if !self.is_light() {
            self.slots.set(self.index, Some(Phase::Leaving));
        }
        self.program().take();
    }

    fn is_light(&self) -> bool {
        self.index == self.slots.general
    }

    fn program(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.program.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.set(self.index, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(light: usize, general: usize, soon: usize) -> Room {
        Room {
            light,
            general,
            soon,
        }
    }

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
        assert_eq!(slots.room(), room(1, 0, 0));
        assert_eq!(slots.take(Preset::Poster).unwrap().index(), 1);
    }

    #[tokio::test]
    async fn the_next_job_comes_when_a_program_is_about_to_end_and_no_sooner() {
        let slots = Slots::new(2);
        let jobs = [(); 2].map(|()| slots.take(Preset::Hls).unwrap());
        for job in &jobs {
            job.begin().await;
            assert!(slots.take(Preset::WebVideo).is_none());
        }
        jobs[0].ends_soon();
        assert_eq!(slots.room(), room(1, 0, 1));
        let light = slots.take(Preset::Poster).unwrap();
        assert!(
            slots.take(Preset::Poster).is_none(),
            "a quick one does not wait"
        );
        let next = slots.take(Preset::WebVideo).unwrap();
        assert_eq!(slots.room(), room(0, 0, 0));
        let begins = next.begin();
        tokio::pin!(begins);
        assert!(futures::poll!(&mut begins).is_pending());
        jobs[0].leave();
        assert!(futures::poll!(&mut begins).is_ready());
        assert_eq!(slots.room(), room(0, 0, 0), "both slots are at work");
        drop(light);
        drop(jobs);
        assert_eq!(slots.room(), room(1, 1, 0));
    }

    #[tokio::test]
    async fn what_is_checked_holds_a_place_so_that_there_is_an_end_to_it() {
        let slots = Slots::new(1);
        let checked = [(); 2].map(|()| slots.take(Preset::Audio).inspect(Slot::leave).unwrap());
        assert_eq!(slots.room(), room(1, 0, 0));
        assert!(slots.take(Preset::Audio).is_none());
        drop(checked);
        assert_eq!(slots.room(), room(1, 1, 0));
    }

    #[tokio::test]
    async fn a_job_that_is_given_up_while_it_waits_takes_no_slot() {
        let slots = Slots::new(1);
        let first = slots.take(Preset::Hls).unwrap();
        first.begin().await;
        first.ends_soon();
        let next = slots.take(Preset::Hls).unwrap();
        assert!(futures::poll!(std::pin::pin!(next.begin())).is_pending());
        drop(next);
        drop(first);
        let last = slots.take(Preset::Hls).unwrap();
        last.begin().await;
        assert_eq!(slots.room(), room(1, 0, 0));
    }
}
