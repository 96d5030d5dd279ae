//! The aggregates that were written last: a bounded cache of what loading would give. It may be stale when other
//! nodes write; the version check of the append finds that out.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use lru::LruCache;

type Key = (&'static str, String);
type Entry = (Arc<dyn Any + Send + Sync>, u64);

/// The cache.
pub(crate) struct AggregateCache(Option<Mutex<LruCache<Key, Entry>>>);

impl std::fmt::Debug for AggregateCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AggregateCache")
    }
}

impl AggregateCache {
    /// For `capacity` aggregates; 0 for none.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(NonZeroUsize::new(capacity).map(|capacity| Mutex::new(LruCache::new(capacity))))
    }

    pub(crate) fn get<A: Clone + Send + Sync + 'static>(
        &self,
        kind: &'static str,
        id: &str,
    ) -> Option<(A, u64)> {
        let mut cache = self.0.as_ref()?.lock().ok()?;
        let (state, version) = cache.get(&(kind, id.to_owned()))?;
        state
            .downcast_ref::<A>()
            .map(|state| (state.clone(), *version))
    }

    pub(crate) fn put<A: Send + Sync + 'static>(
        &self,
        kind: &'static str,
        id: &str,
        state: A,
        version: u64,
    ) {
        if let Some(Ok(mut cache)) = self.0.as_ref().map(Mutex::lock) {
            let key = (kind, id.to_owned());
            // Two commands on one stream may end in another order than they were appended in.
            if cache.peek(&key).is_none_or(|(_, known)| *known < version) {
                cache.put(key, (Arc::new(state), version));
            }
        }
    }

    pub(crate) fn forget(&self, kind: &'static str, id: &str) {
        if let Some(Ok(mut cache)) = self.0.as_ref().map(Mutex::lock) {
            cache.pop(&(kind, id.to_owned()));
        }
    }
}
