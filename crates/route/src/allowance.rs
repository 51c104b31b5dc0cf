//! What a region says that it allows for a deployment in a minute, so that probes keep to a small part of it.
//!
//! Every answer may say it, to a client or to a probe; the newest counts. Atomics, for
//! [`Vitals`](crate::Vitals), and written only when they change: all workers read them without a cache line
//! moving from one to the other.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

#[derive(Debug, Default)]
pub(crate) struct Allowance {
    requests: Told,
    tokens: Told,
}

/// A number from 1 on; 0 = nothing was told yet.
#[derive(Debug, Default)]
struct Told(AtomicU32);

impl Allowance {
    /// An answer told this; what it did not tell stays as it was.
    pub(crate) fn tell(&self, requests: Option<u64>, tokens: Option<u64>) {
        self.requests.tell(requests);
        self.tokens.tell(tokens);
    }

    /// Requests and tokens.
    pub(crate) fn told(&self) -> (Option<u64>, Option<u64>) {
        (self.requests.get(), self.tokens.get())
    }
}

impl Told {
    fn tell(&self, number: Option<u64>) {
        let Some(number) = number else { return };
        // more is no limit to a probe
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        if number != 0 && self.0.load(Relaxed) != number {
            self.0.store(number, Relaxed);
        }
    }

    fn get(&self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|number| *number != 0).map(u64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_answer_counts_for_what_it_tells() {
        let allowance = Allowance::default();
        assert_eq!(allowance.told(), (None, None));
        allowance.tell(Some(450), None);
        allowance.tell(None, Some(60_000));
        assert_eq!(allowance.told(), (Some(450), Some(60_000)));
        allowance.tell(Some(10), Some(0));
        assert_eq!(allowance.told(), (Some(10), Some(60_000)), "a limit of 0 is none");
        allowance.tell(Some(u64::MAX), None);
        assert_eq!(allowance.told().0, Some(u64::from(u32::MAX)));
    }
}
