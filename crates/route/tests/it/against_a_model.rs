//! Random histories of probes, failures, time and reloads, against a model too simple to be wrong.
//!
//! The model keeps every sample in a list and works everything out anew. Scores, states and order
//! must agree exactly; of the leader it checks that each change, and each stay, was allowed.

use std::{collections::BTreeMap, time::Duration};

use nearway_route::{
    Asked, Moment, Outcome, Ranker, Ranking, RegionId, RegionSpec, Sample, Source, State, Table,
    Verdict,
};
use proptest::{collection::vec, option, prelude::*};

use crate::fixture::{SETTINGS, ms, names, region};

#[derive(Clone, Debug)]
enum Step {
    Advance(Duration),
    Probe { slot: usize, lag: Duration, outcome: Outcome },
    Live { slot: usize, outcome: Outcome },
    Reload { present: [bool; SLOTS] },
}

/// Regions at most; a region that a reload brings back has a new id.
const SLOTS: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    let outcome = || {
        prop_oneof![
            4 => (1_u64..400).prop_map(|millis| Outcome::Answer {
                // few values, so that ties and near ties are common
                first_token: Some(ms(millis / 20 * 20 + 1)),
                total: ms(millis * 3),
                tokens: 1,
            }),
            1 => option::of((0_u64..600_000).prop_map(ms)).prop_map(|retry_after| {
                Outcome::Failure { reason: "throttled", after: ms(5), retry_after }
            }),
        ]
    };
    prop_oneof![
        4 => (0_u64..60_000).prop_map(|millis| Step::Advance(ms(millis))),
        1 => (60_000_u64..400_000).prop_map(|millis| Step::Advance(ms(millis))),
        12 => (0..SLOTS, (0_u64..2_000).prop_map(ms), outcome())
            .prop_map(|(slot, lag, outcome)| Step::Probe { slot, lag, outcome }),
        2 => (0..SLOTS, outcome()).prop_map(|(slot, outcome)| Step::Live { slot, outcome }),
        1 => any::<[bool; SLOTS]>().prop_map(|present| Step::Reload { present }),
    ]
}

#[derive(Debug, Default)]
struct Model {
    now: Duration,
    /// Ids in configured order, and the probes of each.
    regions: Vec<u32>,
    /// As many tiers, in turn by id.
    tiers: u32,
    probes: BTreeMap<u32, Vec<Sample>>,
    lead: Option<Lead>,
}

#[derive(Clone, Copy, Debug)]
struct Lead {
    region: u32,
    since: Moment,
    /// When there was no leader before; hysteresis starts when a first round is over.
    opened: Moment,
    settled: bool,
}

/// Whether down, tier, state, whether unscored; then score, place: the order as the documentation has it.
type Merit = ((bool, u32, State, bool), Option<Duration>, usize);

impl Model {
    fn moment(&self) -> Moment {
        Moment::from(self.now)
    }

    fn forget(&mut self) {
        let now = self.moment();
        for samples in self.probes.values_mut() {
            samples.sort();
            let newest = samples.last().copied();
            samples.retain(|one| Some(*one) == newest || now.since(one.at) <= SETTINGS.window);
        }
    }

    fn merit(&self, id: u32) -> Merit {
        let samples = self.probes.get(&id).map_or(&[][..], Vec::as_slice);
        let state = match samples.last() {
            None => State::Unknown,
            Some(Sample { outcome: Outcome::Failure { .. }, .. }) => State::Down,
            Some(one) if self.moment().since(one.at) > SETTINGS.stale_after => State::Stale,
            Some(_) => State::Fresh,
        };
        let score = Self::score(samples);
        let place = self.regions.iter().position(|one| *one == id).unwrap();
        ((state == State::Down, id % self.tiers, state, score.is_none()), score, place)
    }

    fn score(samples: &[Sample]) -> Option<Duration> {
        let mut answers = Vec::new();
        let mut hints = Vec::new();
        for sample in samples {
            match sample.outcome {
                Outcome::Answer { first_token, .. } => {
                    answers.push(first_token.unwrap().as_nanos());
                }
                Outcome::Failure { retry_after, .. } => hints.push(retry_after.unwrap_or_default()),
                Outcome::Reachable { .. } | Outcome::GivenUp { .. } => {}
            }
        }
        let usual = answers.iter().sum::<u128>() / (answers.len().max(1) as u128);
        let costs = hints.iter().map(|hint| {
            let believed = (*hint).min(SETTINGS.window);
            believed.max(SETTINGS.probe_timeout).as_nanos().max(5 * usual)
        });
        let all: Vec<u128> = answers.iter().copied().chain(costs).collect();
        let mean = all.iter().sum::<u128>().checked_div(all.len() as u128)?;
        Some(Duration::from_nanos(mean.try_into().unwrap()))
    }

    fn failed_since(&self, id: u32, moment: Moment) -> bool {
        self.probes.get(&id).is_some_and(|samples| {
            samples
                .iter()
                .any(|one| one.at > moment && matches!(one.outcome, Outcome::Failure { .. }))
        })
    }

    /// Checks a ranking, and follows its leader.
    fn check(&mut self, ranking: &Ranking) -> Result<(), TestCaseError> {
        let mut natural: Vec<_> = self.regions.iter().map(|id| (self.merit(*id), *id)).collect();
        natural.sort_unstable();
        let Some((best, _)) = natural.first().copied() else {
            self.lead = None;
            prop_assert!(ranking.order.is_empty());
            return Ok(());
        };

        let leader = ranking.leader().unwrap().region.0;
        let merit = self.merit(leader);
        prop_assert_eq!(merit.0, best.0, "the leader is of the best class");
        natural.retain(|(_, id)| *id != leader);
        natural.insert(0, (merit, leader));
        for (entry, (merit, id)) in ranking.order.iter().zip(&natural) {
            prop_assert_eq!((entry.region.0, entry.state, entry.score), (*id, merit.0.2, merit.1));
        }
        prop_assert_eq!(ranking.order.len(), natural.len());
        self.check_lead(ranking, best, leader)
    }

    fn check_lead(
        &mut self,
        ranking: &Ranking,
        best: Merit,
        leader: u32,
    ) -> Result<(), TestCaseError> {
        let now = self.moment();
        let all_measured = self.regions.iter().all(|id| self.merit(*id).0.2 != State::Unknown);
        let former = self.lead.filter(|former| self.regions.contains(&former.region));
        let Some(former) = former else {
            prop_assert_eq!(ranking.leader_since, Some(now));
            self.lead =
                Some(Lead { region: leader, since: now, opened: now, settled: all_measured });
            return Ok(());
        };

        let was = self.merit(former.region);
        let gained = was.1.unwrap_or_default().saturating_sub(best.1.unwrap_or_default());
        let gain_enough = was.1.is_some()
            && gained >= SETTINGS.switch.at_least
            && gained.as_secs_f64() * 100.0 / SETTINGS.switch.percent
                >= was.1.unwrap_or_default().as_secs_f64();
        let held = now.since(former.since) >= SETTINGS.switch.hold;
        let failed = self.failed_since(former.region, former.since);
        let outclassed = was.0 > best.0;
        let free = outclassed || !former.settled;
        if leader == former.region {
            let best_already = was == best;
            prop_assert!(best_already || !free || best.0.3);
            prop_assert!(best_already || !(gain_enough && (held || failed)));
            prop_assert_eq!(ranking.leader_since, Some(former.since));
        } else {
            prop_assert!(free || (gain_enough && (held || failed)), "{:?} to {:?}", was, best);
            prop_assert_eq!(ranking.leader_since, Some(now));
            prop_assert_ne!(ranking.verdict, Verdict::Holding);
        }
        let held_open = now.since(former.opened) >= SETTINGS.switch.hold;
        self.lead = Some(Lead {
            region: leader,
            since: ranking.leader_since.unwrap(),
            opened: former.opened,
            settled: former.settled || all_measured || held_open,
        });
        Ok(())
    }
}

fn same_in_fallback(table: &Table) -> Result<(), TestCaseError> {
    let seen = |ranking: &Ranking| {
        let mut seen: Vec<_> =
            ranking.order.iter().map(|entry| (entry.region, entry.state, entry.score)).collect();
        seen.sort_unstable();
        seen
    };
    prop_assert_eq!(seen(table.ranking(Some("a"))), seen(table.ranking(None)));
    Ok(())
}

proptest! {
    #[test]
    fn the_ranker_agrees_with_the_model(steps in vec(step(), 1..80), tiers in 1_u32..3) {
        let mut slots: [u32; SLOTS] = [0, 1, 2, 3];
        let mut next_id = 4;
        let mut model = Model { regions: slots.into(), tiers, ..Model::default() };
        let spec = |id: u32| RegionSpec { tier: id % tiers, ..region(id) };
        let specs = |ids: &[u32]| ids.iter().copied().map(spec).collect();
        let mut ranker = Ranker::new(SETTINGS, 0, specs(&model.regions), names(&["a"]));

        for step in steps {
            match step {
                Step::Advance(by) => model.now += by,
                Step::Probe { slot, lag, outcome } => {
                    let at = Moment::from(model.now.saturating_sub(lag));
                    let sample = Sample { at, source: Source::Probe, asked: Asked::probe(0), outcome };
                    ranker.observe(RegionId(slots[slot]), Some("a"), sample);
                    if model.regions.contains(&slots[slot]) {
                        model.probes.entry(slots[slot]).or_default().push(sample);
                    }
                }
                Step::Live { slot, outcome } => {
                    let sample = Sample { at: model.moment(), source: Source::Live, asked: Asked::probe(0), outcome };
                    ranker.observe(RegionId(slots[slot]), Some("a"), sample);
                }
                Step::Reload { present } => {
                    let mut regions = Vec::new();
                    for (id, present) in slots.iter_mut().zip(present) {
                        if present && !model.regions.contains(id) {
                            *id = next_id;
                            next_id += 1;
                        }
                        regions.extend(present.then_some(*id));
                    }
                    model.probes.retain(|id, _| regions.contains(id));
                    model.regions = regions;
                    ranker.reconfigure(SETTINGS, 1, specs(&model.regions), names(&["a"]));
                }
            }
            model.forget();
            let table = ranker.rank(model.moment()).table;
            model.check(table.ranking(Some("a")))?;
            same_in_fallback(&table)?;
        }
    }
}
