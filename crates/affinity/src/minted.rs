//! Whom the keys were made for that regions mint for sessions: who shows one shows no other, and may do what
//! that client may.

use std::sync::Arc;

use nearway_wire::id::IdDigest;

use crate::newest::Newest;

/// The clients of such keys, by name. Shared by all workers; asked only by who shows such a key, and where
/// clients are configured. A restart forgets them: the keys live for minutes.
#[derive(Debug, Default)]
pub struct Minted(Newest<IdDigest, Arc<str>, { Self::MOST }>);

impl Minted {
    /// Keys that are remembered at most. Beyond, the oldest goes.
    pub const MOST: usize = 4_096;

    /// Whose key this is.
    pub fn client(&self, key: IdDigest) -> Option<Arc<str>> {
        self.0.get(key)
    }

    /// It was made for this client.
    pub fn remember(&self, key: IdDigest, client: Arc<str>) {
        self.0.remember(key, client);
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
