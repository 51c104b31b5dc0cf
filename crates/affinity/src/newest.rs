//! The newest of what was remembered: so much at most, and the oldest goes for what comes.
//!
//! For what few requests ask for, and those anyway wait for a region: it has a lock. What every request asks
//! for is in [`crate::Owners`].

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// At most `MOST` values by their keys, shared by all workers.
#[derive(Debug)]
pub(crate) struct Newest<K, V, const MOST: usize>(Mutex<Inner<K, V>>);

#[derive(Debug)]
struct Inner<K, V> {
    of: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V, const MOST: usize> Default for Newest<K, V, MOST> {
    fn default() -> Self {
        Self(Mutex::new(Inner { of: HashMap::new(), order: VecDeque::new() }))
    }
}

impl<K: Copy + Eq + Hash, V: Clone, const MOST: usize> Newest<K, V, MOST> {
    /// What was remembered last by this key.
    pub(crate) fn get(&self, key: K) -> Option<V> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).of.get(&key).cloned()
    }

    /// Remembers it. What has the key already is replaced and stays as old as it was.
    pub(crate) fn remember(&self, key: K, value: V) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.of.insert(key, value).is_none() {
            inner.order.push_back(key);
        }
        if inner.order.len() > MOST
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.of.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_the_last_word_counts() {
        let newest = Newest::<_, _, 3>::default();
        for (key, value) in [(0, "a"), (1, "b"), (0, "c"), (2, "d")] {
            newest.remember(key, value);
        }
        assert_eq!([0, 1, 2].map(|key| newest.get(key)), [Some("c"), Some("b"), Some("d")]);
        newest.remember(3, "e");
        assert_eq!([0, 1, 3].map(|key| newest.get(key)), [None, Some("b"), Some("e")]);
    }
}
