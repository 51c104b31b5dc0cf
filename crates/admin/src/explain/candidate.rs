//! One region as a candidate for one request: what it would cost there, and what that is made of.

use std::cmp::Ordering;
use std::time::Duration;

use nearway_route::{Circumstances, Condition, Cost, Entry, Lack, Lead, Moment, Shape};
use serde::Serialize;

use crate::times::{ms, rounded};

/// What is asked of every region alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks<'a> {
    pub(super) lack: Lack,
    pub(super) shape: Shape,
    /// `None` where scores decide.
    pub(super) lead: Option<&'a Lead>,
    pub(super) now: Moment,
}

/// Whether the request may go to a region, and does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'a> {
    pub(super) serves: bool,
    pub(super) kept_out_by: Option<&'a str>,
    pub(super) chosen: bool,
}

/// One region.
#[derive(Debug, Serialize)]
pub(super) struct Candidate<'a> {
    pub(super) region: &'a str,
    pub(super) chosen: bool,
    /// Whether it serves the deployment at all.
    pub(super) serves: bool,
    /// The key of the fence that keeps the request out, such as `clients.web.zones`.
    pub(super) kept_out_by: Option<&'a str>,
    pub(super) state: &'static str,
    pub(super) condition: &'static str,
    /// How long the condition lasts, as far as a deadline tells.
    pub(super) condition_left_ms: Option<f64>,
    pub(super) score_ms: Option<f64>,
    /// `None` where scores decide, or no time was seen yet.
    pub(super) cost: Option<Priced>,
    pub(super) in_flight: u32,
    /// Of the newest probe or answer.
    pub(super) newest_sample_age_ms: Option<f64>,
    pub(super) probes: Tally,
    pub(super) live: Tally,
    pub(super) cooled_for_ms: Option<f64>,
    pub(super) tier: u32,
    pub(super) zone: Option<&'a str>,
    #[serde(skip)]
    is_out: bool,
}

/// Samples in the window.
#[derive(Debug, Serialize)]
pub(super) struct Tally {
    pub(super) samples: u32,
    pub(super) failures: u32,
}

/// What a request would cost, and why.
#[derive(Debug, Serialize)]
pub(super) struct Priced {
    /// What regions are compared by.
    pub(super) now_ms: f64,
    /// The same as if nothing were in flight.
    pub(super) calm_ms: f64,
    /// What the answer takes, failures left out.
    pub(super) expected_ms: f64,
    /// What failures add.
    pub(super) failure_penalty_ms: f64,
    /// The share of requests that failed of late.
    pub(super) failing: f64,
    /// Standard deviation of what is expected.
    pub(super) doubt_ms: f64,
    /// Standard deviation of single times, as a share.
    pub(super) scatter: f64,
    pub(super) estimate: Terms,
    pub(super) evidence: Waiting,
}

/// Milliseconds for each.
#[derive(Debug, Serialize)]
pub(super) struct Terms {
    pub(super) base_ms: f64,
    pub(super) per_1k_prompt_tokens_ms: f64,
    pub(super) per_output_token_ms: f64,
    pub(super) per_request_in_flight_ms: f64,
}

/// What the requests say that wait for their first content.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    pub(super) requests: u32,
    pub(super) mean_age_ms: f64,
    /// Natural logarithm of the probability that they wait though the region is as it was.
    pub(super) log_probability: f64,
    pub(super) strong: bool,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(entry: &'a Entry, asks: &Asks<'_>, access: Access<'a>) -> Self {
        let Access { serves, kept_out_by, chosen } = access;
        let now = asks.now;
        let condition = entry.condition(asks.lack, now);
        let answered = entry.known.and_then(|known| known.answered);
        Self {
            region: &entry.name,
            chosen,
            serves,
            kept_out_by,
            state: entry.state.as_str(),
            condition: condition.as_str(),
            condition_left_ms: left(entry, condition, asks).map(ms),
            score_ms: entry.score.map(ms),
            cost: asks.lead.and_then(|lead| Priced::new(entry, lead, asks)),
            in_flight: entry.vitals.in_flight(),
            newest_sample_age_ms: entry.last_sample.max(answered).map(|at| ms(now.since(at))),
            probes: Tally { samples: entry.samples, failures: entry.failures },
            live: Tally { samples: entry.live.samples, failures: entry.live.failures },
            cooled_for_ms: entry.cooled_for(now).map(ms),
            tier: entry.tier,
            zone: entry.zone.as_deref(),
            is_out: condition.is_out(),
        }
    }

    /// The chosen one, then those that serve and are inside of the fences, first the fit ones, by what
    /// they cost; of equals the ranking's order stays.
    pub(super) fn in_order(&self, other: &Self) -> Ordering {
        let is_closed = |one: &Self| !one.serves || one.kept_out_by.is_some();
        let merit = |one: &Self| (!one.chosen, is_closed(one), one.is_out, one.price().is_none());
        merit(self).cmp(&merit(other)).then_with(|| {
            self.price().unwrap_or_default().total_cmp(&other.price().unwrap_or_default())
        })
    }

    fn price(&self) -> Option<f64> {
        self.cost.as_ref().map(|cost| cost.now_ms)
    }
}

impl Priced {
    fn new(entry: &Entry, lead: &Lead, asks: &Asks<'_>) -> Option<Self> {
        let known = entry.known.as_ref()?;
        let Cost { calm, now, doubt, evidence, expected, .. } =
            entry.cost(asks.shape, &lead.typical, asks.now)?;
        let alone = Circumstances { shape: asks.shape, output: lead.typical.output, in_flight: 0 };
        let [base, prompt, output, load] = known.estimate.terms().map(rounded);
        Some(Self {
            now_ms: rounded(now),
            calm_ms: rounded(calm),
            expected_ms: rounded(expected),
            failure_penalty_ms: rounded(calm - known.estimate.expected(alone).millis),
            failing: rounded(known.failing),
            doubt_ms: rounded(doubt),
            scatter: rounded(known.estimate.scatter()),
            estimate: Terms {
                base_ms: base,
                per_1k_prompt_tokens_ms: prompt,
                per_output_token_ms: output,
                per_request_in_flight_ms: load,
            },
            evidence: Waiting {
                requests: evidence.count,
                mean_age_ms: rounded(evidence.age),
                log_probability: rounded(evidence.log),
                strong: evidence.is_strong(),
            },
        })
    }
}

/// How long a condition lasts, as far as a deadline tells.
fn left(entry: &Entry, condition: Condition, asks: &Asks<'_>) -> Option<Duration> {
    let now = asks.now;
    match condition {
        Condition::NearlySpent => entry.nearly_spent_for(now),
        Condition::Cooled => entry.cooled_for(now),
        Condition::Open => entry.open_for(now),
        Condition::Unauthorized => entry.unauthorized_for(now),
        Condition::Lacking => entry.lacks_for(asks.lack, now),
        Condition::Good | Condition::Recovering | Condition::Silent | Condition::Down => None,
    }
}
