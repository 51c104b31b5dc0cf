//! Ephemeral keys and calls that one region has made. No other region knows them, and a restart forgets them.
//!
//! Pure: the time comes in. Bounded in number; the oldest goes first.

use std::collections::VecDeque;

/// The keys and calls of one region.
#[derive(Debug, Default)]
pub(crate) struct Minted {
    keys: VecDeque<Key>,
    calls: VecDeque<Call>,
}

#[derive(Debug)]
struct Key {
    value: String,
    // seconds since 1970
    expires_at: u64,
}

#[derive(Debug)]
struct Call {
    id: String,
    model: String,
}

impl Minted {
    /// Keeps a key until its end.
    pub(super) fn key(&mut self, value: String, expires_at: u64) {
        put(&mut self.keys, Key { value, expires_at });
    }

    /// Whether the key was made here and is still good.
    pub(super) fn knows_key(&self, value: &str, now: u64) -> bool {
        self.keys.iter().any(|key| key.value == value && now < key.expires_at)
    }

    /// Keeps a call until it is ended.
    pub(super) fn call(&mut self, id: String, model: String) {
        put(&mut self.calls, Call { id, model });
    }

    /// The model that a call is with; `None` for one that is not under way here.
    pub(super) fn model_of(&self, id: &str) -> Option<String> {
        self.calls.iter().find(|call| call.id == id).map(|call| call.model.clone())
    }

    /// Ends a call; false if it is not under way here.
    pub(super) fn end_call(&mut self, id: &str) -> bool {
        let before = self.calls.len();
        self.calls.retain(|call| call.id != id);
        self.calls.len() < before
    }
}

fn put<T>(shelf: &mut VecDeque<T>, thing: T) {
    if shelf.len() >= KEPT {
        shelf.pop_front();
    }
    shelf.push_back(thing);
}

/// Of each kind.
const KEPT: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_expire_and_the_oldest_goes_first() {
        let mut minted = Minted::default();
        minted.key("ek_a".to_owned(), 10);
        assert!(minted.knows_key("ek_a", 9));
        assert!(!minted.knows_key("ek_a", 10) && !minted.knows_key("ek_b", 9));
        for number in 0..KEPT {
            minted.key(format!("ek_{number}"), 10);
        }
        assert!(minted.knows_key("ek_0", 9) && !minted.knows_key("ek_a", 9));
    }

    #[test]
    fn a_call_lasts_until_it_is_ended() {
        let mut minted = Minted::default();
        minted.call("rtc_1".to_owned(), "rt".to_owned());
        assert_eq!(minted.model_of("rtc_1").as_deref(), Some("rt"));
        assert!(minted.end_call("rtc_1") && !minted.end_call("rtc_1"));
        assert_eq!(minted.model_of("rtc_1"), None);
    }
}
