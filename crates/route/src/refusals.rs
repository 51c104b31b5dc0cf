//! How often a region refused for a quota soon after it was let back: what its hint says is when one
//! more request passes, not when all of them do.
//!
//! Each refusal costs a request an attempt. So the pause doubles while few requests pass between two
//! refusals, and halves again when many do. Atomics, for [`Vitals`](crate::Vitals); two workers that
//! count at the same instant may lose a step.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// How often the pause is doubled, from 1; 0 = nothing was refused yet.
    steps: AtomicU32,
    /// Requests that had been sent at the last refusal.
    sent: AtomicU32,
}

impl Refusals {
    /// A refusal that ends a spell of requests, of which `sent` were sent in all; it may wrap around.
    /// By how much its pause is longer than the hint.
    pub(crate) fn again(&self, sent: u32) -> u32 {
        let passed = sent.wrapping_sub(self.sent.swap(sent, Relaxed));
        let steps = match self.steps.load(Relaxed) {
            0 => 1,
            steps if passed < FEW => (steps + 1).min(MOST_STEPS),
            steps => (steps - 1).max(1),
        };
        self.steps.store(steps, Relaxed);
        1 << (steps - 1)
    }
}

/// With fewer requests between two refusals, more than one of thirty is an attempt in vain.
const FEW: u32 = 30;
/// The pause is at most eight times the hint.
const MOST_STEPS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_while_few_requests_pass_and_halves_when_many_do() {
        let refusals = Refusals::default();
        let mut sent = 1_000;
        let mut after = |passed: u32| {
            sent += passed;
            refusals.again(sent)
        };
        assert_eq!([1, 2, 3, 4].map(&mut after), [1, 2, 4, 8]);
        assert_eq!([100, 100, 100, 100, 100].map(&mut after), [4, 2, 1, 1, 1]);
        assert_eq!([1; 5].map(&mut after), [2, 4, 8, 8, 8]);
    }

    #[test]
    fn the_count_of_requests_may_wrap_around() {
        let refusals = Refusals::default();
        assert_eq!([u32::MAX - 5, 4, 500].map(|sent| refusals.again(sent)), [1, 2, 1]);
    }
}
