//! Where the readers of a file put what they find wrong, so that they can go on and find the rest.

use std::cell::{Cell, RefCell};

use crate::error::{Found, MAX_PROBLEMS};
use crate::tree::NodeId;

/// Collects; never fails.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: RefCell<Vec<Found>>,
    more: Cell<usize>,
}

impl Report {
    /// The value at `node` is wrong.
    pub(crate) fn wrong(&self, node: NodeId, message: impl Into<String>) {
        self.push(Found { node, missing: None, message: message.into() });
    }

    /// The mapping at `node` lacks a key that it must have.
    pub(crate) fn missing(&self, node: NodeId, key: &'static str, message: impl Into<String>) {
        self.push(Found { node, missing: Some(key), message: message.into() });
    }

    /// Whether nothing is known against this value, so that it may be compared with others.
    pub(crate) fn is_fine(&self, node: NodeId) -> bool {
        !self.found.borrow().iter().any(|found| found.node == node)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// What was found, and how many more there were.
    pub(crate) fn into_parts(self) -> (Vec<Found>, usize) {
        (self.found.into_inner(), self.more.get())
    }

    fn push(&self, found: Found) {
        let mut list = self.found.borrow_mut();
        if list.len() < MAX_PROBLEMS {
            list.push(found);
        } else {
            self.more.set(self.more.get().saturating_add(1));
        }
    }
}
