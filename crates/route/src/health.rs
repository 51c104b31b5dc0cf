//! Whether a region can be believed in: fresh, stale, unknown or down, from its newest probe.
//!
//! One failed probe is enough for `down` and one good one to end it. Calm comes from elsewhere:
//! a failure stays in the window as a cost, and a region that comes back must win its lead again.

use std::time::Duration;

use crate::{moment::Moment, sample::Sample};

/// How much is known of a (region, deployment). The order is the order of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The newest probe was answered, not long ago.
    Fresh,
    /// The newest probe was answered, too long ago: keeps its place only behind fresh ones.
    Stale,
    /// Not probed yet: in configured order behind those that were.
    Unknown,
    /// The newest probe failed: only when nothing else is left.
    Down,
}

impl State {
    /// Every state, in order.
    pub const ALL: [Self; 4] = [Self::Fresh, Self::Stale, Self::Unknown, Self::Down];

    /// A label: `fresh`, `stale`, `unknown` or `down`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::Down => "down",
        }
    }

    /// The state that follows from the newest probe, or from a newer answer to a client if that counts.
    pub(crate) fn of(
        newest: Option<&Sample>,
        answered: Option<Moment>,
        now: Moment,
        stale_after: Duration,
    ) -> Self {
        match newest {
            _ if answered > newest.map(|sample| sample.at) => {
                let age = answered.map(|at| now.since(at));
                if age > Some(stale_after) { Self::Stale } else { Self::Fresh }
            }
            None => Self::Unknown,
            Some(sample) if sample.outcome.is_failure() => Self::Down,
            Some(sample) if now.since(sample.at) > stale_after => Self::Stale,
            Some(_) => Self::Fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Asked, Outcome, Source};

    #[test]
    fn the_newest_probe_decides() {
        let second = Duration::from_secs(1);
        let good = Outcome::Reachable { head: second };
        let bad = Outcome::Failure { reason: "timeout", after: second, retry_after: None };
        for (outcome, age, expected) in [
            (None, 0, State::Unknown),
            (Some(good), 0, State::Fresh),
            (Some(good), 90, State::Fresh),
            (Some(good), 91, State::Stale),
            (Some(bad), 0, State::Down),
            (Some(bad), 91, State::Down),
        ] {
            let sample = outcome.map(|outcome| Sample {
                at: Moment::ZERO,
                source: Source::Probe,
                asked: Asked::probe(0),
                outcome,
            });
            let state = State::of(sample.as_ref(), None, Moment::ZERO + second * age, second * 90);
            assert_eq!(state, expected, "{outcome:?} at {age} s");
        }
    }

    #[test]
    fn an_answer_to_a_client_counts_if_it_is_newer() {
        let second = Duration::from_secs(1);
        let outcome = Outcome::Failure { reason: "timeout", after: second, retry_after: None };
        let at = Moment::ZERO + second * 10;
        let failed = Sample { at, source: Source::Probe, asked: Asked::probe(0), outcome };
        for (answered, age, expected) in [
            (9, 11, State::Down),
            (10, 11, State::Down),
            (11, 11, State::Fresh),
            (11, 101, State::Fresh),
            (11, 102, State::Stale),
        ] {
            let answered = Some(Moment::ZERO + second * answered);
            let state =
                State::of(Some(&failed), answered, Moment::ZERO + second * age, second * 90);
            assert_eq!(state, expected, "answered {answered:?}, now {age}");
        }
    }
}
