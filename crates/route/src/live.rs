//! A value that one task replaces whole while others read it: how the table reaches the workers.
//!
//! The reader never waits for the writer. A worker keeps a [`Reader`], whose look-up is one
//! comparison while nothing changed; anybody else calls [`Live::load`].

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

/// The one place where the current value is.
#[derive(Debug)]
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Live<T> {
    /// Starts with this value.
    pub fn new(first: Arc<T>) -> Self {
        Self(Arc::new(ArcSwap::new(first)))
    }

    /// Replaces the value. Those who hold the former one keep it.
    pub fn publish(&self, next: Arc<T>) {
        self.0.store(next);
    }

    /// The current value, for those who ask seldom.
    pub fn load(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// A reader for one worker, for the request path.
    pub fn reader(&self) -> Reader<T> {
        Reader(Cache::new(Arc::clone(&self.0)))
    }
}

/// Another handle on the same place.
impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Reads the current value without a lock and, while it does not change, without shared writes.
#[derive(Clone, Debug)]
pub struct Reader<T>(Cache<Arc<ArcSwap<T>>, Arc<T>>);

impl<T> Reader<T> {
    /// The current value. A request calls this once and keeps what it got.
    pub fn load(&mut self) -> &Arc<T> {
        self.0.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_what_was_published_and_holders_keep_what_they_had() {
        let live = Live::new(Arc::new(1));
        let mut reader = live.reader();
        let held = Arc::clone(reader.load());
        live.clone().publish(Arc::new(2));
        assert_eq!((*held, **reader.load(), *live.load()), (1, 2, 2));
    }

    #[test]
    fn a_reader_can_move_to_its_worker() {
        let live = Live::new(Arc::new(1));
        let mut reader = live.reader();
        live.publish(Arc::new(2));
        let seen = std::thread::spawn(move || **reader.load()).join().unwrap();
        assert_eq!(seen, 2);
    }
}
