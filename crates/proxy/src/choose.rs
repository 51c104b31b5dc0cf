//! Which region next: the ranking's order, less what this request must not or can not use.

use std::sync::Arc;
use std::time::Duration;

use nearway_route::{Condition, Entry, Moment, Plan, Ranking, Verdict, Vitals, Why};

use crate::identify::Identity;
use crate::{Settings, Target};

/// A region chosen for an attempt.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Its place in the settings.
    pub(crate) place: usize,
    /// What must act at once on its (region, deployment).
    pub(crate) vitals: Arc<Vitals>,
    /// Whether those are of all deployments that are not probed, together.
    pub(crate) of_many: bool,
    /// Its slowest first token of late.
    pub(crate) slowest: Option<Duration>,
    /// What must act at once on the region, whatever the deployment.
    pub(crate) region_vitals: Arc<Vitals>,
    /// What the answer should take there, as [`Cost::expected`](nearway_route::Cost); `None` where costs
    /// do not decide or nothing is known.
    pub(crate) expected: Option<f64>,
    /// Why it is the one.
    pub(crate) why: Why,
    /// Why the leader of such requests leads.
    pub(crate) verdict: Verdict,
}

/// The next region of the plan; `None` when there is none left that may serve this request.
pub(crate) fn choose(
    plan: &mut Plan,
    ranking: &Ranking,
    now: Moment,
    identity: &Identity,
    settings: &Settings,
) -> Option<Choice> {
    let allowed = |entry: &Entry| allowed(entry, identity, settings);
    let near = identity.bonds.near.filter(|_| plan.attempts() == 0);
    let is_near = |entry: &Entry| {
        let owner = settings.target(entry.region).map(|(_, target)| target.owner);
        near == owner
            && allowed(entry)
            && entry.condition(identity.lack(), now) <= Condition::NearlySpent
    };
    let entry = match near.and_then(|_| plan.next(ranking, now, is_near)) {
        Some(near) => near,
        None => plan.next(ranking, now, allowed)?,
    };
    chosen((entry, plan.why()), ranking, identity, settings)
}

/// The next one against which nothing speaks: who has an attempt under way already asks no other.
pub(crate) fn choose_good(
    plan: &mut Plan,
    ranking: &Ranking,
    now: Moment,
    identity: &Identity,
    settings: &Settings,
) -> Option<Choice> {
    let is_good = |entry: &Entry| entry.condition(identity.lack(), now) == Condition::Good;
    let allowed = |entry: &Entry| allowed(entry, identity, settings) && is_good(entry);
    let entry = plan.next(ranking, now, allowed)?;
    chosen((entry, plan.why()), ranking, identity, settings)
}

fn chosen(
    (entry, why): (&Entry, Why),
    ranking: &Ranking,
    identity: &Identity,
    settings: &Settings,
) -> Option<Choice> {
    let (place, target) = settings.target(entry.region)?;
    let why = identity.bonds.why(target.owner).unwrap_or(why);
    let lead = ranking.lead(identity.shape.class());
    let expected = lead.and_then(|lead| entry.expected(identity.shape, &lead.typical));
    Some(Choice {
        place,
        why,
        expected,
        verdict: lead.map_or(ranking.verdict, |lead| lead.verdict),
        slowest: entry.first_token.map(|spread| spread.max),
        of_many: ranking.deployment.is_empty(),
        vitals: entry.vitals.clone(),
        region_vitals: entry.region_vitals.clone(),
    })
}

/// How many regions may serve this request: without a last resort only those that are not out.
pub(crate) fn choices(
    ranking: &Ranking,
    now: Moment,
    identity: &Identity,
    settings: &Settings,
) -> usize {
    let is_left = |entry: &&Entry| {
        allowed(entry, identity, settings)
            && (settings.last_resort || !entry.condition(identity.lack(), now).is_out())
    };
    ranking.order.iter().filter(is_left).count()
}

/// The regions that serve what this request asks for, with what keeps each away, and how long until
/// one of them may be fit again, as far as deadlines tell.
pub(crate) fn standing(
    ranking: &Ranking,
    now: Moment,
    identity: &Identity,
    settings: &Settings,
) -> (Vec<(Arc<str>, Condition)>, Option<Duration>) {
    let is_allowed = |entry: &Entry| allowed(entry, identity, settings);
    let entries = ranking.order.iter().filter(|entry| is_allowed(entry));
    let named = |entry: &Entry| (entry.name.clone(), entry.condition(identity.lack(), now));
    (entries.map(named).collect(), ranking.fit_in(identity.lack(), now, is_allowed))
}

/// How long until a region may serve this request that is none of those that `spoke` for themselves:
/// zero if one may now, `None` if no deadline tells.
pub(crate) fn fit_in(
    ranking: &Ranking,
    now: Moment,
    identity: &Identity,
    settings: &Settings,
    spoke: impl Fn(&Entry) -> bool,
) -> Option<Duration> {
    let left = |entry: &Entry| allowed(entry, identity, settings) && !spoke(entry);
    let is_fit = |entry: &Entry| !entry.condition(identity.lack(), now).is_out();
    match ranking.order.iter().any(|entry| left(entry) && is_fit(entry)) {
        true => Some(Duration::ZERO),
        false => ranking.fit_in(identity.lack(), now, left),
    }
}

/// How the one region is that the request belongs to; `None` if it belongs to none, or that is not ranked.
pub(crate) fn condition_of_only(
    ranking: &Ranking,
    now: Moment,
    identity: &Identity,
    settings: &Settings,
) -> Option<(Arc<str>, Condition)> {
    identity.bonds.only?;
    let entries = ranking.order.iter().filter(|entry| allowed(entry, identity, settings));
    let named = |entry: &Entry| (entry.name.clone(), entry.condition(identity.lack(), now));
    entries.map(named).min_by_key(|(_, condition)| *condition)
}

/// How many regions may get this request, fit or not.
pub(crate) fn all_choices(ranking: &Ranking, identity: &Identity, settings: &Settings) -> usize {
    ranking.order.iter().filter(|entry| allowed(entry, identity, settings)).count()
}

/// Whether a fence is all that keeps this request from being served.
pub(crate) fn is_fenced_in(identity: &Identity, settings: &Settings) -> bool {
    let mut places = settings.regions.iter().enumerate();
    places.any(|(place, target)| serves(target, identity) && !settings.admit(identity, place))
}

/// What the request must not or can not use. Every choice asks this, fences first of all: first attempts,
/// further ones, second ones beside them, and pins.
fn allowed(entry: &Entry, identity: &Identity, settings: &Settings) -> bool {
    if identity.pin.as_ref().is_some_and(|pin| **pin != *entry.name) {
        return false;
    }
    let Some((place, target)) = settings.target(entry.region) else { return false };
    if identity.bonds.only.is_some_and(|only| only != target.owner) {
        return false;
    }
    settings.admit(identity, place) && serves(target, identity)
}

fn serves(target: &Target, identity: &Identity) -> bool {
    if identity.is_long && target.provisioned {
        return false;
    }
    let Some(name) = identity.deployment.as_deref() else { return true };
    target.deployment(name).is_some_and(|regional| !identity.in_messages || regional == name)
}
