//! The last changes of leaders, for whoever asks later why traffic moved.
//!
//! The ranker keeps it and hands it on with each table, by reference: it is made anew only when a leader
//! changes.

use std::{collections::BTreeMap, sync::Arc};

use crate::contest::LeaderChange;

/// Changes that are kept of one deployment; a further one pushes out the oldest.
pub const MAX_CHANGES: usize = 200;

/// The changes of all rankings, newest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    changes: Arc<[LeaderChange]>,
}

impl History {
    /// All of them, newest first.
    pub(crate) const fn changes(&self) -> &Arc<[LeaderChange]> {
        &self.changes
    }

    /// Takes in what changed just now.
    pub(crate) fn extend(&mut self, news: &[LeaderChange]) {
        if news.is_empty() {
            return;
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let all = news.iter().rev().chain(self.changes.iter());
        let kept = all.filter(|change| {
            let count = counts.entry(&change.deployment).or_default();
            *count += 1;
            *count <= MAX_CHANGES
        });
        self.changes = kept.cloned().collect();
    }

    /// Forgets the deployments that a reload removed.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        let kept = self.changes.iter().filter(|change| is_kept(&change.deployment));
        self.changes = kept.cloned().collect();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{moment::Moment, verdict::Verdict};

    fn change(deployment: &str, second: usize) -> LeaderChange {
        LeaderChange {
            deployment: deployment.into(),
            from: None,
            to: "a".into(),
            verdict: Verdict::Better,
            at: Moment::ZERO + Duration::from_secs(second as u64),
        }
    }

    #[test]
    fn the_newest_of_each_deployment_are_kept_newest_first() {
        let mut history = History::default();
        history.extend(&[change("calm", 0)]);
        for second in 0..MAX_CHANGES + 3 {
            history.extend(&[change("busy", second)]);
        }
        let of = |deployment: &str| {
            let changes = history.changes.iter();
            changes
                .filter(|one| &*one.deployment == deployment)
                .map(|one| one.at)
                .collect::<Vec<_>>()
        };
        let expected = (3..MAX_CHANGES + 3).rev().map(|second| change("", second).at);
        assert!(of("busy").into_iter().eq(expected));
        assert_eq!(of("calm"), [Moment::ZERO], "another deployment pushes out nothing");
    }

    #[test]
    fn what_a_reload_removed_is_forgotten_and_no_news_change_nothing() {
        let mut history = History::default();
        history.extend(&[change("a", 1), change("b", 2)]);
        let before = Arc::clone(history.changes());
        history.extend(&[]);
        assert!(Arc::ptr_eq(&before, history.changes()));
        history.retain(|deployment| deployment == "a");
        assert_eq!(**history.changes(), [change("a", 1)]);
    }
}
