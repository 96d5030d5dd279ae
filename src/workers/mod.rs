//! The media workers: who is there, who has room, who is left alone for a while.
//!
//! What is kept here is this node's memory alone; a worker's own answer decides. A worker without a slot is paused for
//! a moment, one that is away for longer, one that keeps failing until its circuit lets one job try.

mod breaker;
mod worker;

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::media_job::Preset;
use media_worker::api::{self, JobKey, PresetInfo, ServiceLimits};
use media_worker::auth::Keys;
use media_worker::client::{ClientError, WorkerClient};
use media_worker::endpoint::Endpoint;
use serde_json::{Value, json};

pub use worker::{Weight, Worker};

use crate::ports::clock;

/// How long a worker may take to say how much room it has.
const PATIENCE: Duration = Duration::from_secs(1);

/// Every worker of the settings.
#[derive(Debug)]
pub struct Workers {
    all: Vec<Arc<Worker>>,
    /// Whether a worker must enforce every mandatory layer of its sandbox.
    demands_sandbox: bool,
}

impl Workers {
    /// At these addresses, all with the same keys.
    ///
    /// # Errors
    /// A client cannot be set up.
    pub fn new(
        endpoints: &[Endpoint],
        keys: &Keys,
        demands_sandbox: bool,
    ) -> Result<Self, ClientError> {
        let worker = |endpoint: &Endpoint| {
            let client = WorkerClient::new(endpoint, keys.clone())?;
            Ok(Arc::new(Worker::new(endpoint.to_string(), client)))
        };
        Ok(Self {
            all: endpoints.iter().map(worker).collect::<Result<_, _>>()?,
            demands_sandbox,
        })
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Worker>] {
        &self.all
    }

    /// The worker of this name, if it is still one of them.
    pub fn named(&self, name: &str) -> Option<&Arc<Worker>> {
        self.all.iter().find(|worker| worker.name == name)
    }

    /// Whether any may be offered jobs of this weight now, as far as this node knows.
    pub fn accept(&self, weight: Weight) -> bool {
        let now = clock::monotonic();
        self.all
            .iter()
            .any(|worker| worker.allows(weight, now) != Some(0))
    }

    /// Whether every worker said of late, without any job, that an input of this size does not fit onto its disk.
    pub fn none_can_hold(&self, input_bytes: u64) -> bool {
        let now = clock::monotonic();
        self.all
            .iter()
            .all(|worker| worker.cannot_hold(input_bytes, now))
    }

    /// When a worker that is offered nothing may be offered something again.
    pub fn next_change(&self) -> Option<Instant> {
        let now = clock::monotonic();
        self.all
            .iter()
            .filter_map(|worker| worker.next_change(now))
            .min()
    }

    /// Asks those that may be offered something how much room they have.
    pub async fn offers(&self) -> Offers {
        let now = clock::monotonic();
        let asked = self.all.iter().filter_map(|worker| {
            let most = worker.allows(Weight::Light, now);
            (most != Some(0)).then(|| self.ask(worker, most))
        });
        let offers = futures::future::join_all(asked).await;
        Offers {
            list: offers.into_iter().flatten().collect(),
        }
    }

    async fn ask(&self, worker: &Arc<Worker>, most: Option<usize>) -> Option<Offer> {
        let asked = tokio::time::timeout(PATIENCE, worker.client.limits()).await;
        let limits = match asked.unwrap_or(Err(ClientError::Unreachable)) {
            Ok(limits) => limits,
            Err(ClientError::Busy { .. }) => {
                worker.busy(Weight::Light);
                return None;
            }
            Err(error) => {
                tracing::warn!(worker = worker.name, %error, "a media worker cannot be used");
                worker.failed();
                return None;
            }
        };
        if self.demands_sandbox && !limits.sandbox.is_strict() {
            tracing::error!(
                worker = worker.name,
                "a media worker does not enforce its sandbox and gets no jobs: MEDIA_SANDBOX"
            );
            worker.failed();
            return None;
        }
        worker.tells(&limits);
        let room = Room::of(&limits);
        if room.all() == 0 {
            worker.busy(Weight::Light);
        }
        Some(Offer {
            worker: Arc::clone(worker),
            room,
            most: most.unwrap_or(usize::MAX),
            presets: limits.presets,
        })
    }

    /// Ends an attempt wherever it may be: `Ok` when each worker has answered.
    ///
    /// # Errors
    /// A worker cannot be reached; it kills the attempt itself when nobody asks for it.
    pub async fn cancel_everywhere(&self, key: JobKey) -> Result<(), ClientError> {
        let cancel = |worker: &Arc<Worker>| {
            let worker = Arc::clone(worker);
            async move {
                let told = tokio::time::timeout(PATIENCE, worker.client.cancel(key)).await;
                told.unwrap_or(Err(ClientError::Unreachable))
            }
        };
        for told in futures::future::join_all(self.all.iter().map(cancel)).await {
            match told {
                Ok(_) | Err(ClientError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The presets that no worker knows in this server's version, as far as workers have told; none while nobody has.
    /// Jobs of these wait.
    pub fn unknown_presets(&self) -> Vec<&'static str> {
        let known = self.preset_workers().into_iter();
        let unknown = known.filter(|(_, workers)| *workers == 0);
        unknown.map(|(preset, _)| preset.as_str()).collect()
    }

    /// How many workers know each preset in this server's version; nothing while none has told.
    fn preset_workers(&self) -> Vec<(Preset, u32)> {
        let told: Vec<Vec<PresetInfo>> = self.all.iter().filter_map(|one| one.presets()).collect();
        if told.is_empty() {
            return Vec::new();
        }
        let count = |preset: &Preset| {
            let version = worker_preset(*preset).version();
            let workers = told.iter().filter(|told| knows(told, *preset, version));
            (*preset, u32::try_from(workers.count()).unwrap_or(u32::MAX))
        };
        Preset::ALL.iter().map(count).collect()
    }

    /// Asks each worker what it knows, and tells the metrics: of presets and of circuits.
    pub async fn look(&self) {
        let ask = async |worker: &Arc<Worker>| {
            if let Ok(Ok(limits)) = tokio::time::timeout(PATIENCE, worker.client.limits()).await {
                worker.tells(&limits);
            }
            worker.show_circuit();
        };
        futures::future::join_all(self.all.iter().map(ask)).await;
        for (preset, workers) in self.preset_workers() {
            metrics::gauge!("gatelog_media_preset_workers", "preset" => preset.as_str())
                .set(f64::from(workers));
        }
    }

    /// Each worker for `/readyz`: whether it answers within `patience`, whether its sandbox is good enough, and where
    /// its circuit stands.
    pub async fn report(&self, patience: Duration) -> Vec<Value> {
        let ask = async |worker: &Arc<Worker>| {
            let health = tokio::time::timeout(patience, worker.client.health()).await;
            let health = health.unwrap_or(Err(ClientError::Unreachable));
            let state = match health {
                Ok(health) if self.demands_sandbox && !health.sandbox.is_strict() => "weak-sandbox",
                Ok(health) if health.draining => "draining",
                Ok(_) => "ok",
                Err(_) => "failing",
            };
            if let Ok(Ok(limits)) = tokio::time::timeout(patience, worker.client.limits()).await {
                worker.tells(&limits);
            }
            json!({"worker": worker.name, "state": state, "circuit": worker.circuit().as_str()})
        };
        futures::future::join_all(self.all.iter().map(ask)).await
    }
}

/// The worker's name of a preset.
pub fn worker_preset(preset: Preset) -> api::Preset {
    match preset {
        Preset::Metadata => api::Preset::Metadata,
        Preset::Poster => api::Preset::Poster,
        Preset::WebVideo => api::Preset::WebVideo,
        Preset::Preview => api::Preset::Preview,
        Preset::Audio => api::Preset::Audio,
        Preset::Image => api::Preset::Image,
        Preset::Waveform => api::Preset::Waveform,
        Preset::Hls => api::Preset::Hls,
    }
}

/// The room that workers have at one moment.
#[derive(Debug)]
pub struct Offers {
    list: Vec<Offer>,
}

#[derive(Debug)]
struct Offer {
    worker: Arc<Worker>,
    room: Room,
    /// Jobs that it may be offered, as far as this node knows.
    most: usize,
    presets: Vec<PresetInfo>,
}

/// What a worker says that it takes now.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    /// Quick jobs alone.
    light: usize,
    /// Any.
    general: usize,
    /// Jobs that take long and can wait for the end of another one, which is near.
    soon: usize,
}

impl Room {
    fn of(limits: &ServiceLimits) -> Self {
        let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
        // Of a worker that does not tell, any slot may be one for any preset; its answer decides.
        let general = count(limits.free_general.unwrap_or(limits.free));
        Self {
            light: count(limits.free).saturating_sub(general),
            general,
            soon: count(limits.free_soon),
        }
    }

    fn all(self) -> usize {
        let now = self.light.saturating_add(self.general);
        now.saturating_add(self.soon)
    }

    /// For a job of this weight, at once or after a moment.
    fn takes(self, weight: Weight) -> bool {
        match weight {
            Weight::Light => self.light > 0 || self.general > 0,
            Weight::Heavy => self.general > 0 || self.soon > 0,
        }
    }

    fn is_free(self, weight: Weight) -> bool {
        self.general > 0 || (weight == Weight::Light && self.light > 0)
    }

    fn take(&mut self, weight: Weight) {
        let place = match weight {
            Weight::Light if self.light > 0 => &mut self.light,
            Weight::Heavy if self.general == 0 => &mut self.soon,
            Weight::Light | Weight::Heavy => &mut self.general,
        };
        *place = place.saturating_sub(1);
    }
}

impl Offer {
    fn takes(&self, weight: Weight, now: Instant) -> bool {
        let may_be_offered = self.most > 0 && self.worker.allows(weight, now) != Some(0);
        may_be_offered && self.room.takes(weight)
    }

    fn knows(&self, preset: Preset, version: u32) -> bool {
        knows(&self.presets, preset, version)
    }
}

fn knows(presets: &[PresetInfo], preset: Preset, version: u32) -> bool {
    let name = worker_preset(preset);
    let mut presets = presets.iter();
    presets.any(|known| known.name == name && known.version == version)
}

impl Offers {
    /// How many jobs there is room for.
    pub fn room(&self) -> usize {
        self.list.iter().fold(0, |sum, offer| {
            sum.saturating_add(offer.room.all().min(offer.most))
        })
    }

    /// Whether any takes a job of this weight.
    pub fn take(&self, weight: Weight) -> bool {
        self.list.iter().any(|offer| offer.room.takes(weight))
    }

    /// The presets and versions that any of them knows.
    pub fn recipes(&self) -> Vec<(Preset, u32)> {
        let known = self.list.iter().flat_map(|offer| &offer.presets);
        let recipes = known.filter_map(|known| {
            let mut all = Preset::ALL.iter();
            let preset = all.find(|preset| worker_preset(**preset) == known.name)?;
            Some((*preset, known.version))
        });
        recipes.collect()
    }

    /// A worker for a job, of those that know its recipe and may have room for its input: one where nothing went wrong
    /// just now rather than another, of those where something did the one where it is longest ago, and then one with a
    /// free slot rather than one where another job is about to end, and the one with the most room.
    pub fn pick(&mut self, preset: Preset, version: u32, input_bytes: u64) -> Option<Arc<Worker>> {
        let (now, weight) = (clock::monotonic(), Weight::of(preset));
        let offer = self
            .list
            .iter_mut()
            .filter(|offer| offer.takes(weight, now))
            .filter(|offer| offer.knows(preset, version) && offer.worker.has_room(input_bytes, now))
            .max_by_key(|offer| {
                let shunned = Reverse(offer.worker.shunned_until(now));
                (shunned, offer.room.is_free(weight), offer.room.all())
            })?;
        offer.room.take(weight);
        offer.most -= 1;
        offer.worker.begins(now);
        Some(Arc::clone(&offer.worker))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// These recipes, in this version.
    fn knowing(version: u32, names: &[api::Preset]) -> Vec<PresetInfo> {
        let known = names.iter().map(|name| PresetInfo {
            name: *name,
            version,
            outputs: Vec::new(),
        });
        known.collect()
    }

    #[test]
    fn a_job_waits_for_a_worker_that_knows_its_very_recipe() {
        let keys = Keys::parse(&"s".repeat(64)).unwrap();
        let endpoints: Vec<Endpoint> = ["unix:/a", "unix:/b"].map(|at| at.parse().unwrap()).into();
        let workers = Workers::new(&endpoints, &keys, true).unwrap();
        let offer = |(worker, version): (&Arc<Worker>, u32)| Offer {
            worker: Arc::clone(worker),
            room: Room {
                general: 3,
                ..Room::default()
            },
            most: 10,
            presets: knowing(version, &[api::Preset::Poster]),
        };
        let list = workers.all().iter().zip([1, 2]).map(offer).collect();
        let mut offers = Offers { list };
        assert_eq!(offers.recipes(), [(Preset::Poster, 1), (Preset::Poster, 2)]);
        let mut pick = |preset, version| {
            let worker = offers.pick(preset, version, 1);
            worker.map(|worker| worker.name.clone())
        };
        assert_eq!(pick(Preset::Poster, 1).as_deref(), Some("unix:/a"));
        assert_eq!(pick(Preset::Poster, 2).as_deref(), Some("unix:/b"));
        assert_eq!(pick(Preset::Poster, 3), None);
        assert_eq!(pick(Preset::Hls, 1), None);
    }

    #[test]
    fn a_worker_short_of_disk_is_offered_what_is_smaller() {
        let keys = Keys::parse(&"s".repeat(64)).unwrap();
        let endpoints: Vec<Endpoint> = ["unix:/a", "unix:/b"].map(|at| at.parse().unwrap()).into();
        let workers = Workers::new(&endpoints, &keys, true).unwrap();
        let picked = |bytes: u64| {
            let offer = |worker: &Arc<Worker>| Offer {
                worker: Arc::clone(worker),
                room: Room {
                    general: 1,
                    ..Room::default()
                },
                most: 10,
                presets: knowing(1, &[api::Preset::Poster]),
            };
            let list = workers.all().iter().map(offer).collect();
            let worker = Offers { list }.pick(Preset::Poster, 1, bytes);
            worker.map(|worker| worker.name.clone())
        };
        let [a, b] = [&workers.all()[0], &workers.all()[1]];
        a.lacks_room(1000);
        assert_eq!(picked(1000).as_deref(), Some("unix:/b"));
        b.lacks_room(2000);
        assert_eq!(picked(1000).as_deref(), Some("unix:/b"));
        assert_eq!(picked(2000), None);
        assert!(picked(999).is_some(), "nothing else is held up");
        assert!(
            !workers.none_can_hold(2000),
            "they had jobs, for all that is known"
        );
        for worker in [a, b] {
            worker.is_idle(true);
            worker.lacks_room(2000);
        }
        assert!(workers.none_can_hold(2000) && !workers.none_can_hold(1999));
    }

    #[test]
    fn of_workers_where_something_went_wrong_the_one_of_longest_ago_is_tried() {
        let keys = Keys::parse(&"s".repeat(64)).unwrap();
        let endpoints: Vec<Endpoint> = ["unix:/a", "unix:/b"].map(|at| at.parse().unwrap()).into();
        let workers = Workers::new(&endpoints, &keys, true).unwrap();
        let picked = |free: [usize; 2]| {
            let offer = |(worker, general): (&Arc<Worker>, usize)| Offer {
                worker: Arc::clone(worker),
                room: Room {
                    general,
                    ..Room::default()
                },
                most: 10,
                presets: knowing(7, &[api::Preset::Poster]),
            };
            let list = workers.all().iter().zip(free).map(offer).collect();
            let worker = Offers { list }.pick(Preset::Poster, 7, 1);
            worker.unwrap().name.clone()
        };
        assert_eq!(picked([1, 2]), "unix:/b", "the one with the most room");
        workers.all()[1].shun();
        assert_eq!(picked([1, 2]), "unix:/a");
        workers.all()[0].shun();
        assert_eq!(picked([2, 1]), "unix:/b");
    }

    #[test]
    fn each_job_goes_where_there_is_room_for_its_kind() {
        let keys = Keys::parse(&"s".repeat(64)).unwrap();
        let endpoints: Vec<Endpoint> = ["unix:/a", "unix:/b"].map(|at| at.parse().unwrap()).into();
        let workers = Workers::new(&endpoints, &keys, true).unwrap();
        let rooms = [(1, 0, 2), (1, 1, 0)].map(|(light, general, soon)| Room {
            light,
            general,
            soon,
        });
        let offer = |(worker, room): (&Arc<Worker>, Room)| Offer {
            worker: Arc::clone(worker),
            room,
            most: 10,
            presets: knowing(7, &[api::Preset::Poster, api::Preset::Hls]),
        };
        let list = workers.all().iter().zip(rooms).map(offer).collect();
        let mut offers = Offers { list };
        assert_eq!(offers.room(), 5);
        let mut pick = |preset| {
            let worker = offers.pick(preset, 7, 1);
            worker.map(|worker| worker.name.clone())
        };
        let (film, picture) = (Preset::Hls, Preset::Poster);
        for (preset, expected) in [
            (film, Some("unix:/b")),
            (film, Some("unix:/a")),
            (film, Some("unix:/a")),
            (film, None),
            (picture, Some("unix:/b")),
            (picture, Some("unix:/a")),
            (picture, None),
        ] {
            assert_eq!(pick(preset).as_deref(), expected, "{preset}");
        }
    }
}
