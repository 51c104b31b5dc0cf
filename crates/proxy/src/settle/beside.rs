//! A second region beside the one at work: who was asked, who won, what the other one is told.

use std::time::Duration;

use nearway_route::Outcome;
use nearway_telemetry::HedgeEvent;
use nearway_upstream::{Fault, Side};

use super::Settle;
use crate::budgets::Beside;
use crate::choose::Choice;
use crate::race::Winner;

impl Settle {
    /// A second region is about to be asked beside the one at work; false if that is beyond the budget.
    pub(crate) fn asking_beside(
        &mut self,
        choice: Choice,
        beside: Beside,
        elapsed: Duration,
    ) -> bool {
        let allowed = self.shared.budgets.allows(beside, self.moment(elapsed));
        if allowed {
            self.hedge = Some((self.attempted(choice, elapsed), beside));
            self.count_beside(beside, HedgeEvent::Started);
        } else if !std::mem::replace(&mut self.refused_beside, true) {
            self.count_beside(beside, HedgeEvent::Refused);
        }
        allowed
    }

    fn count_beside(&self, beside: Beside, event: HedgeEvent) {
        match beside {
            Beside::Hedge => self.shared.metrics.hedged(event),
            Beside::Rescue => self.shared.metrics.rescued(event),
        }
    }

    /// Of the two the one that does not win was bad, too: [`Self::blame`] for it.
    pub(crate) fn blame_loser(
        &mut self,
        winner: Winner,
        fault: &Fault,
        side: Side,
        retry_after: Option<Duration>,
    ) {
        let loser = match winner {
            Winner::First => self.hedge.as_ref().map(|(attempt, _)| attempt),
            Winner::Second => self.current.as_ref(),
        };
        let lacking = loser.and_then(|loser| self.blame_for(loser, fault, side, retry_after));
        self.lacking.extend(lacking);
    }

    /// One of the two has answered; the second one was asked when the first had taken `after`. The
    /// other one is `cancelled` unless it had failed.
    pub(crate) fn hedged(&mut self, winner: Winner, after: Duration, cancelled: bool) {
        let Some((hedge, beside)) = self.hedge.take() else { return };
        self.sent_twice |= cancelled;
        let loser = match winner {
            Winner::First => {
                self.count_beside(beside, HedgeEvent::Wasted);
                Some(hedge)
            }
            Winner::Second => {
                self.count_beside(beside, HedgeEvent::Won);
                self.waited(after);
                self.current.replace(hedge)
            }
        };
        if let Some(loser) = loser.filter(|_| cancelled) {
            let now = self.shared.clock.now();
            self.report(&loser, now, Outcome::GivenUp { after: now.saturating_sub(loser.sent) });
        }
    }
}
