//! Whom the keys were made for that regions mint for sessions: who shows one shows no other, and may do what
//! that client may.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use nearway_wire::id::IdDigest;

/// The clients of such keys, by name. Shared by all workers; asked only by who shows such a key, and where
/// clients are configured, so that a lock is nothing. A restart forgets them: the keys live for minutes.
#[derive(Debug, Default)]
pub struct Minted(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    of: HashMap<IdDigest, Arc<str>>,
    order: VecDeque<IdDigest>,
}

impl Minted {
    /// Keys that are remembered at most. Beyond, the oldest goes.
    pub const MOST: usize = 4_096;

    /// Whose key this is.
    pub fn client(&self, key: IdDigest) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).of.get(&key).cloned()
    }

    /// It was made for this client.
    pub fn remember(&self, key: IdDigest, client: Arc<str>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.of.insert(key, client).is_none() {
            inner.order.push_back(key);
        }
        if inner.order.len() > Self::MOST
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
    fn the_oldest_goes_first() {
        let minted = Minted::default();
        let key = |number: usize| IdDigest::of(format!("ek_{number}").as_bytes());
        for number in 0..=Minted::MOST {
            minted.remember(key(number), "web".into());
        }
        assert_eq!((minted.client(key(0)), minted.client(key(1))), (None, Some("web".into())));
    }
}
