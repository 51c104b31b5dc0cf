//! How fit a region is for the next request: the order of badness that every choice follows.
//!
//! One word for all that is known of a (region, deployment) at a moment: what the last probe said
//! and what clients' requests taught. [`Entry::condition`](crate::Entry::condition) works it out;
//! the plan chooses by it, the admin pages and the metrics show it.

/// Where a region stands, from best to worst. The worst that applies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Nothing speaks against it.
    Good,
    /// Its quota is nearly used up: the next request may be the one that is refused.
    NearlySpent,
    /// It failed, and its breaker lets some requests through to see whether it is well again.
    Recovering,
    /// Several requests wait there, and none has been answered for far longer than answers take.
    Silent,
    /// It asked to be left alone: a 429, or a 503 with a hint.
    Cooled,
    /// Its newest probe failed; what clients' requests see there is not known to be as bad.
    Down,
    /// Clients' requests fail there: its breaker is open, or another request is trying it.
    Open,
    /// It refuses the credential that Nearway has for it.
    Unauthorized,
    /// It does not have the deployment, or the operation: nothing that waits helps.
    Lacking,
}

impl Condition {
    /// Every condition, in order.
    pub const ALL: [Self; 9] = [
        Self::Good,
        Self::NearlySpent,
        Self::Recovering,
        Self::Silent,
        Self::Cooled,
        Self::Down,
        Self::Open,
        Self::Unauthorized,
        Self::Lacking,
    ];

    /// Whether requests go there only as a last resort.
    pub const fn is_out(self) -> bool {
        !matches!(self, Self::Good | Self::NearlySpent | Self::Recovering | Self::Silent)
    }

    /// A label, such as `nearly_spent`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NearlySpent => "nearly_spent",
            Self::Recovering => "recovering",
            Self::Silent => "silent",
            Self::Cooled => "cooled",
            Self::Down => "down",
            Self::Open => "open",
            Self::Unauthorized => "unauthorized",
            Self::Lacking => "lacking",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn they_are_listed_in_order_with_a_label_each() {
        assert!(Condition::ALL.is_sorted());
        let labels: BTreeSet<_> = Condition::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(labels.len(), Condition::ALL.len());
        assert!(Condition::ALL.is_sorted_by_key(|one| one.is_out()), "the worst ones are out");
    }
}
