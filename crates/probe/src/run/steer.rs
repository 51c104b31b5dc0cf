//! How the loop steers the timetable: by what probes are worth, what they cost, and what regions allow.

use nearway_route::{Lack, Moment, OTHER, Table};
use nearway_upstream::Transport;
use nearway_wire::quota::Limits;

use super::{LOG, Prober, entry};
use crate::attempt::Finding;
use crate::demand::Standing;
use crate::timetable::Due;
use crate::verdict;

impl<T: Transport + 'static> Prober<T> {
    /// What a probe cost, and what the region allows, decide how soon the next one may come. Answers to
    /// clients tell the latter, too, in the same place.
    pub(super) fn pay(&mut self, due: &Due, finding: &Finding) {
        let tokens = verdict::cost(&finding.outcome, finding.usage, &self.settings);
        self.demands.of(due).spend(tokens, self.settings.rate(), finding.at);
        if let Some(entry) = entry(&self.out.table.load(), due) {
            entry.vitals.allow(finding.limits.requests, finding.limits.tokens);
        }
    }

    /// The newest answers, of probes or of clients, told what the region allows.
    fn limit(&mut self, table: &Table, due: &Due) {
        let Some(entry) = entry(table, due) else { return };
        let (requests, tokens) = entry.vitals.allowed();
        let usual = verdict::usual_cost(&self.settings);
        let limits = Limits { requests, tokens };
        let longer = self.demands.of(due).limited(limits, usual, self.settings.pace());
        if let Some(least) = longer {
            let (region, deployment) = (&entry.name, due.stop.as_deref());
            tracing::info!(target: LOG, %region, deployment,
                "probes of {region} come every {least:?} at most: its limits allow no more");
        }
    }

    /// Steers the timetable by what probes are worth, where the strategy tells.
    pub(super) fn plan(&mut self, table: &Table, now: Moment) {
        let settings = self.settings.clone();
        let (pace, rate) = (settings.pace(), settings.rate());
        for target in &settings.targets {
            let mut first = None;
            for stop in settings.stops(target) {
                let due = Due { region: target.id, stop };
                let standing = self.standing(table, &due, now);
                if standing.is_some() {
                    self.limit(table, &due);
                }
                let demand = self.demands.of(&due);
                let next = standing.map(|standing| demand.next(&standing, pace, rate, now));
                let skipped = next.and_then(|next| demand.skipped(next, pace, now));
                let used = demand.budget_used(rate, now);
                let label = due.stop.as_deref().unwrap_or(OTHER);
                self.standings.spared(target.region.name(), label, used, skipped);
                if let Some(next) = next
                    && first.as_ref().is_none_or(|(_, at)| next.at < *at)
                {
                    first = Some((due, next.at));
                }
            }
            if let Some((due, at)) = first {
                self.timetable.steer(&due, at);
            }
        }
    }

    /// `None` where the strategy does not tell what a probe is worth.
    fn standing(&self, table: &Table, due: &Due, now: Moment) -> Option<Standing> {
        let worth = self.ranker.probe_due(due.region, due.stop.as_deref()?, now)?;
        let entry = entry(table, due)?;
        let out = entry.condition(Lack::DEPLOYMENT, now).is_out();
        Some(Standing { worth, out, cooled: entry.cooled_for(now) })
    }
}
