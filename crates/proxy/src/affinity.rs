//! Requests that belong together stay in the region that has their prompt in its cache: what makes them
//! kin, and by how much that region may be slower than the best.
//!
//! `handle` and `hold_body` find what a request has in common with others, `first_answer` asks where those
//! went, and `settle` remembers who answered. Which region is near enough, `nearway_route` decides.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use http::HeaderMap;
use nearway_route::{Homes, Kin};
use nearway_wire::headers::SESSION_HEADER;
use nearway_wire::model::ModelScan;

use crate::Settings;
use crate::admit::Admitted;
use crate::cached_share::CachedShare;
use crate::identify::Identity;
use crate::shape::most_prompt;

/// The homes of requests that were answered of late, one for all workers. A restart forgets them.
#[derive(Debug, Default)]
pub struct Affinity {
    /// At most [`Homes::MOST`].
    pub(crate) homes: Homes,
    /// Of the prompts that stay.
    pub(crate) cached: CachedShare,
    /// No client can tell or aim at the hash of another one's text.
    seed: RandomState,
}

/// Which requests belong together, and what that is worth.
#[derive(Clone, Copy, Debug)]
pub struct AffinitySettings {
    /// Prompts that begin alike belong together, as do requests whose bodies say so; both from so many tokens
    /// on. `None`: only requests that say so, of any size. Who names a session in the head always says so.
    pub prompts_from: Option<u32>,
    /// By how much a home may be slower than the best region, for each 1,000 tokens of the prompt; at
    /// least 20 ms.
    pub bound_per_1k_tokens: Duration,
    /// And at most by this much, whatever the prompt.
    pub bound_max: Duration,
    /// How long a home is remembered after its last answer; at most [`Homes::TTL_MAX`].
    pub ttl: Duration,
}

impl AffinitySettings {
    /// Only requests of so many tokens and more have a home.
    const fn least_tokens(self) -> u32 {
        match self.prompts_from {
            Some(tokens) => tokens,
            None => 0,
        }
    }

    /// By how many milliseconds the home of a request may be slower than the best region, where this share of
    /// the prompts that stay is read from a cache. Who `asks` to stay is not held to that, nor to a prompt's
    /// size.
    pub(crate) fn bound(&self, prompt_tokens: u32, cached: f64, asks: bool) -> f64 {
        if asks {
            return self.bound_max.as_secs_f64() * 1_000.0;
        }
        let thousands = f64::from(prompt_tokens) / 1_000.0;
        let saved = self.bound_per_1k_tokens.as_secs_f64() * thousands;
        let bound = saved.max(BOUND_LEAST.as_secs_f64()).min(self.bound_max.as_secs_f64());
        bound * 1_000.0 * if self.prompts_from.is_some() { cached } else { 1.0 }
    }
}

impl Affinity {
    /// What the session has in common that the head names; `None` if that is empty.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<u64> {
        let session = headers.get(SESSION_HEADER).filter(|session| !session.is_empty())?;
        Some(self.seed.hash_one(session.as_bytes()))
    }

    /// The scan, told to look for kin in the body where that may count. A body that is too short, as its
    /// head says, is not hashed.
    pub(crate) fn seek(
        &self,
        scan: ModelScan,
        admitted: &Admitted,
        identity: &Identity,
        settings: &Settings,
    ) -> ModelScan {
        let Some(affinity) = &settings.affinity else { return scan };
        let is_short = admitted
            .length
            .is_some_and(|bytes| most_prompt(identity.operation, bytes) < affinity.least_tokens());
        // only these have a prompt that is cached
        if !identity.operation.streams_tokens() || identity.session.is_some() || is_short {
            return scan;
        }
        scan.seeking_kin(&self.seed, affinity.prompts_from.is_some())
    }

    /// Whom the request belongs to, with `in_body` what its body tells: never to another client's, and never
    /// to those for another deployment.
    pub(crate) fn kin(
        &self,
        in_body: Option<u64>,
        identity: &Identity,
        settings: &Settings,
    ) -> Option<Kin> {
        let affinity = settings.affinity.as_ref()?;
        let common = identity.session.or(in_body)?;
        if identity.shape.prompt < affinity.least_tokens() && identity.session.is_none() {
            return None;
        }
        let clients = settings.clients.as_ref().zip(identity.client);
        let client = clients.and_then(|(clients, place)| clients.get(place));
        let client = client.map(|client| &*client.name);
        let deployment = identity.deployment.as_deref();
        Some(Kin(self.seed.hash_one((client, deployment, identity.session.is_some(), common))))
    }
}

/// A home may be slower by this much, however short the prompt: nobody feels it, and regions that are as
/// good as each other lie so far apart from one minute to the next.
const BOUND_LEAST: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_grows_with_the_prompt_between_least_and_most() {
        let bound = |tokens, most, prompts_from| {
            let settings = AffinitySettings {
                prompts_from,
                bound_per_1k_tokens: Duration::from_millis(50),
                bound_max: Duration::from_millis(most),
                ttl: Duration::from_secs(600),
            };
            settings.bound(tokens, 0.5, false)
        };
        for (tokens, most, expected) in [
            (0, 1_000, 20.0),
            (400, 1_000, 20.0),
            (1_024, 1_000, 51.2),
            (10_000, 1_000, 500.0),
            (u32::MAX, 1_000, 1_000.0),
            (0, 10, 10.0),
            (10_000, 0, 0.0),
        ] {
            let asked = bound(tokens, most, None);
            assert!((asked - expected).abs() < 1e-9, "{tokens} tokens: {asked}");
            let unasked = bound(tokens, most, Some(1_024));
            assert!((unasked - expected / 2.0).abs() < 1e-9, "half is cached: {unasked}");
        }
    }
}
