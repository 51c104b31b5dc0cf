//! How much of the prompts that stay in their region it reads from its cache, as its answers tell: what
//! staying is worth where nobody asked for it.
//!
//! All deployments and workers together. An atomic without an order: an observation that is lost between
//! two workers is one of many.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// The share, learned from answers that count cached tokens.
#[derive(Debug)]
pub(crate) struct CachedShare(AtomicU32);

impl Default for CachedShare {
    fn default() -> Self {
        Self(AtomicU32::new(START.to_bits()))
    }
}

impl CachedShare {
    /// A prompt stayed, and so much of it was read from the cache. Returns the share as it is now.
    pub(crate) fn saw(&self, cached: u32, prompt: u32) -> f64 {
        let before = f32::from_bits(self.0.load(Relaxed));
        let now = f64::from(cached.min(prompt)) / f64::from(prompt.max(1));
        #[expect(clippy::cast_possible_truncation, reason = "a share needs no more digits")]
        let after = RATE.mul_add(now as f32 - before, before);
        self.0.store(after.to_bits(), Relaxed);
        after.into()
    }

    /// 0.0 to 1.0.
    pub(crate) fn get(&self) -> f64 {
        f32::from_bits(self.0.load(Relaxed)).into()
    }
}

/// Before an answer has told: enough to stay where nearly nothing is lost, so that caches can show.
const START: f32 = 0.25;
/// The last sixteen count.
const RATE: f32 = 1.0 / 16.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_answers_tell() {
        let share = CachedShare::default();
        assert!((share.get() - 0.25).abs() < 1e-6);
        (0..100).for_each(|_| _ = share.saw(1_800, 2_000));
        assert!((share.get() - 0.9).abs() < 0.01, "{share:?}");
        (0..100).for_each(|_| _ = share.saw(0, 2_000));
        assert!(share.get() < 0.01, "{share:?}");
        assert!(share.saw(u32::MAX, 0) <= 1.0);
    }
}
