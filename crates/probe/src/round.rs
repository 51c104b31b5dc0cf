//! One round of probes now, for a command that shows what the regions take at this moment.
//!
//! Same probes and the same order as the loop in `run.rs`: all regions at once, the samples of one
//! in sequence. Publishes nothing and counts nothing.

use std::rc::Rc;
use std::sync::Arc;

use nearway_route::{Asked, RegionId, Sample, Source};
use nearway_upstream::{Clock, Fault, Transport};
use nearway_wire::usage::Usage;
use tokio::task::JoinSet;

use crate::attempt::{Finding, Probe, attempt};
use crate::memory::Memory;
use crate::settings::Settings;
use crate::timetable::{Due, Then};
use crate::verdict;

/// What one round showed of one (region, deployment).
#[derive(Debug)]
pub struct RegionRound {
    /// Which region.
    pub region: RegionId,
    /// Its configured name.
    pub name: Arc<str>,
    /// The deployment by the client's name; `None`: reachability.
    pub deployment: Option<Arc<str>>,
    /// In the order in which they were made. Fewer than configured after a failure that a further
    /// sample would only repeat.
    pub samples: Vec<Sample>,
    /// What the samples cost together, as far as the region said.
    pub usage: Usage,
    /// The last failure, in words.
    pub fault: Option<Fault>,
}

/// Probes every region once around; in configured order of the regions, then of the deployments.
///
/// To be awaited inside a [`LocalSet`](tokio::task::LocalSet) or a local runtime. Takes at most the
/// probe timeout for each sample of the region that has most; dropping it cancels the probes.
pub async fn one_round<T: Transport + 'static>(
    transport: &Rc<T>,
    settings: Settings,
    clock: Clock,
) -> Vec<RegionRound> {
    let settings = Rc::new(settings);
    let mut regions = JoinSet::new();
    for (place, target) in settings.targets.iter().enumerate() {
        let (transport, id, settings) = (transport.clone(), target.id, settings.clone());
        regions.spawn_local(async move {
            (place, region_round(&*transport, &settings, id, clock).await)
        });
    }
    let mut ended = Vec::new();
    while let Some(region) = regions.join_next().await {
        ended.extend(region);
    }
    ended.sort_unstable_by_key(|(place, _)| *place);
    ended.into_iter().flat_map(|(_, rounds)| rounds).collect()
}

async fn region_round<T: Transport>(
    transport: &T,
    settings: &Rc<Settings>,
    id: RegionId,
    clock: Clock,
) -> Vec<RegionRound> {
    let Some(target) = settings.target(id) else { return Vec::new() };
    let mut rounds = Vec::new();
    for stop in settings.stops(target) {
        let due = Due { region: id, stop };
        let mut round = RegionRound {
            region: id,
            name: target.spec.name.clone(),
            deployment: due.stop.clone(),
            samples: Vec::new(),
            usage: Usage::default(),
            fault: None,
        };
        let mut memory = Memory::default();
        for _sample in 0..settings.pace().samples() {
            let Some(probe) = Probe::new(settings, &due, memory.rung(&due)) else { break };
            let finding = attempt(transport, clock, &probe).await;
            memory.note(&due, finding.rung, None);
            if round.add(finding) != Then::Next {
                break;
            }
        }
        rounds.push(round);
    }
    rounds
}

impl RegionRound {
    fn add(&mut self, finding: Finding) -> Then {
        let then = verdict::then(finding.fault.as_ref(), finding.retry_after);
        let Finding { at, outcome, fault, usage, .. } = finding;
        self.samples.push(Sample { at, source: Source::Probe, asked: Asked::probe(0), outcome });
        let usage = usage.unwrap_or_default();
        self.usage.prompt = self.usage.prompt.saturating_add(usage.prompt);
        self.usage.completion = self.usage.completion.saturating_add(usage.completion);
        self.fault = fault.or_else(|| self.fault.take());
        then
    }
}
