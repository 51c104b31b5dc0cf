//! A value behind a lock that is held for one closure, so never across an await.
//!
//! Used by `region.rs` for what requests and the control handle share. Poisoning is ignored: the
//! values are plain data, and a panicking handler must not take the region with it.

use std::sync::{Mutex, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn with<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> R {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
