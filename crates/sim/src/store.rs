//! What a region remembers: files, threads, responses and all else that has an id. No other
//! region knows it.
//!
//! Bounded in number by kind; the oldest goes first. Used through `api/objects.rs`.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use serde_json::Value;

use crate::kind::Kind;

/// One object as a region keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// What `GET` says.
    pub(crate) object: Value,
    /// What it becomes once somebody has looked at it: work that is done in no time, but not
    /// before it was asked for.
    pub(crate) next: Option<Value>,
    /// What `GET …/content` sends, of those that have it.
    pub(crate) content: Bytes,
    /// The id of what it belongs to; empty if it stands alone.
    pub(crate) parent: String,
}

/// The state of one region.
#[derive(Debug, Default)]
pub(crate) struct Store(HashMap<Kind, Shelf<Kept>>);

impl Store {
    /// All objects of a kind, by keys of `api/objects.rs`.
    pub(crate) fn of(&mut self, kind: Kind) -> &mut Shelf<Kept> {
        self.0.entry(kind).or_insert_with(|| Shelf::new(kind.most()))
    }
}

/// Things by key, in order of arrival, no more than so many.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    most: usize,
    order: VecDeque<String>,
    things: HashMap<String, T>,
}

impl<T> Shelf<T> {
    fn new(most: usize) -> Self {
        Self { most, order: VecDeque::new(), things: HashMap::new() }
    }

    /// Puts a thing in the place of the one that had its key, or last.
    pub(crate) fn put(&mut self, key: String, thing: T) {
        if self.things.insert(key.clone(), thing).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.things.remove(&oldest);
        }
    }

    pub(crate) fn find(&mut self, key: &str) -> Option<&mut T> {
        self.things.get_mut(key)
    }

    pub(crate) fn remove(&mut self, key: &str) -> bool {
        if self.things.remove(key).is_none() {
            return false;
        }
        self.order.retain(|kept| kept != key);
        true
    }

    /// In order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.order.iter().filter_map(|key| self.things.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_the_shelf_is_full() {
        let mut shelf = Shelf::new(2);
        for key in ["a", "b", "c"] {
            shelf.put(key.to_owned(), key);
        }
        assert_eq!(shelf.iter().copied().collect::<Vec<_>>(), ["b", "c"]);
        assert!(shelf.find("a").is_none());
        shelf.put("b".to_owned(), "again");
        assert_eq!(shelf.iter().copied().collect::<Vec<_>>(), ["again", "c"]);
        assert!(shelf.remove("b"));
        assert!(!shelf.remove("b"));
        assert_eq!(shelf.iter().count(), 1);
    }
}
