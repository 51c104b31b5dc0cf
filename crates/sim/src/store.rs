//! What a region remembers: uploaded files and stored responses. No other region knows them.
//!
//! Bounded in number; the oldest goes first. Used by `api/files.rs` and
//! `api/responses.rs`.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use serde_json::Value;

/// One uploaded file: what `GET /files/{id}` says and what `/content` sends.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) object: Value,
    pub(crate) content: Bytes,
}

/// The state of one region.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) files: Shelf<File>,
    pub(crate) responses: Shelf<Value>,
}

impl Default for Store {
    fn default() -> Self {
        Self { files: Shelf::new(FILES_KEPT), responses: Shelf::new(RESPONSES_KEPT) }
    }
}

/// Things by id, in order of arrival, no more than so many.
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

    pub(crate) fn put(&mut self, id: String, thing: T) {
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.things.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.things.insert(id, thing);
    }

    pub(crate) fn find(&self, id: &str) -> Option<&T> {
        self.things.get(id)
    }

    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.order.retain(|kept| kept != id);
        self.things.remove(id).is_some()
    }

    /// Newest first, as the API lists them.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.order.iter().rev().filter_map(|id| self.things.get(id))
    }
}

/// With `handle.rs`'s bound on a body this bounds a region's memory.
const FILES_KEPT: usize = 256;
const RESPONSES_KEPT: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_the_shelf_is_full() {
        let mut shelf = Shelf::new(2);
        for id in ["a", "b", "c"] {
            shelf.put(id.to_owned(), id);
        }
        assert_eq!(shelf.newest_first().copied().collect::<Vec<_>>(), ["c", "b"]);
        assert!(shelf.find("a").is_none());
        assert!(shelf.remove("b"));
        assert!(!shelf.remove("b"));
        assert_eq!(shelf.newest_first().count(), 1);
    }
}
