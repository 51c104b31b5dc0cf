//! Why the leader leads: one of a closed set, so that every decision can be read.
//!
//! `hysteresis` gives it; the table, the log line, the metric and the status page show it.

use std::fmt;

/// Why a region leads its ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No other region serves the deployment.
    Only,
    /// Nothing is measured that could decide, so the configured order does.
    Configured,
    /// The best so far, while others have not been measured once: hysteresis waits for them.
    FirstRound,
    /// The best score.
    Best,
    /// The best of the lowest tier that is up; others may be better.
    LowestTier,
    /// No region has a fresh measurement; the best of the old ones.
    NoneFresh,
    /// Every region fails; the least costly.
    AllDown,
    /// It led, and another region is better, but not by enough of a time.
    GainTooShort,
    /// It led, and another region is better, but not by enough of a share.
    GainTooSmall,
    /// It led, and another region is better by enough, but the hold time is not over.
    Holding,
    /// Better than the former leader by enough, after the hold time.
    Better,
    /// Better than the former leader by enough, which failed within its hold time.
    LeaderFailed,
    /// Better than the former leader by enough, which became slower within its hold time.
    LeaderSlower,
    /// The former leader is down.
    LeaderDown,
    /// The former leader's measurement is stale.
    LeaderStale,
    /// The former leader led without a score, and now there is one.
    LeaderUnmeasured,
    /// The former leader no longer serves the deployment.
    LeaderGone,
}

impl Verdict {
    /// Every verdict, for those who declare labels.
    pub const ALL: [Self; 17] = [
        Self::Only,
        Self::Configured,
        Self::FirstRound,
        Self::Best,
        Self::LowestTier,
        Self::NoneFresh,
        Self::AllDown,
        Self::GainTooShort,
        Self::GainTooSmall,
        Self::Holding,
        Self::Better,
        Self::LeaderFailed,
        Self::LeaderSlower,
        Self::LeaderDown,
        Self::LeaderStale,
        Self::LeaderUnmeasured,
        Self::LeaderGone,
    ];

    /// A label, such as `gain_too_short`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Configured => "configured",
            Self::FirstRound => "first_round",
            Self::Best => "best",
            Self::LowestTier => "lowest_tier",
            Self::NoneFresh => "none_fresh",
            Self::AllDown => "all_down",
            Self::GainTooShort => "gain_too_short",
            Self::GainTooSmall => "gain_too_small",
            Self::Holding => "holding",
            Self::Better => "better",
            Self::LeaderFailed => "leader_failed",
            Self::LeaderSlower => "leader_slower",
            Self::LeaderDown => "leader_down",
            Self::LeaderStale => "leader_stale",
            Self::LeaderUnmeasured => "leader_unmeasured",
            Self::LeaderGone => "leader_gone",
        }
    }
}

impl fmt::Display for Verdict {
    /// The end of a sentence that begins with the leader's name and "leads: ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Only => "no other region serves this deployment",
            Self::Configured => "nothing is measured yet, so the configured order decides",
            Self::FirstRound => "the best so far, while other regions are still unmeasured",
            Self::Best => "it has the best score",
            Self::LowestTier => "it is the best of the lowest tier that is up",
            Self::NoneFresh => "no region has a fresh measurement, and its old one is the best",
            Self::AllDown => "every region fails, and it costs the least",
            Self::GainTooShort => "another region is better, but by less time than a switch needs",
            Self::GainTooSmall => {
                "another region is better, but by a smaller share than a switch needs"
            }
            Self::Holding => "another region is better, but this one has not led long enough",
            Self::Better => "it beat the former leader by enough",
            Self::LeaderFailed => "it beat the former leader, which failed a probe",
            Self::LeaderSlower => "it beat the former leader, which became slower",
            Self::LeaderDown => "the former leader is down",
            Self::LeaderStale => "the former leader has no fresh measurement",
            Self::LeaderUnmeasured => "the former leader has no score",
            Self::LeaderGone => "the former leader no longer serves this deployment",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_verdict_has_a_label_and_a_sentence_of_its_own() {
        let labels: BTreeSet<_> = Verdict::ALL.iter().map(|verdict| verdict.as_str()).collect();
        let sentences: BTreeSet<_> = Verdict::ALL.iter().map(ToString::to_string).collect();
        assert_eq!((labels.len(), sentences.len()), (Verdict::ALL.len(), Verdict::ALL.len()));
    }
}
