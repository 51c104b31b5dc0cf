//! What a request teaches: what acts on the next one at once, and what the ranking is told.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use nearway_route::{Failure, Moment, Outcome, Sample, Source, Vitals};
use nearway_telemetry::{RequestOutcome, credential_refused};
use nearway_upstream::{Fault, FaultKind, Side};
use nearway_wire::quota;
use nearway_wire::remarks::Remarks;

use super::Settle;
use crate::Report;
use crate::attempted::{Attempted, Whose};
use crate::retry::{Lesson, lesson};

impl Settle {
    /// Marks whom the fault belongs to: what acts on the next request of every worker, and a report
    /// to the ranking. What the client earned marks nobody.
    pub(crate) fn blame(&mut self, fault: &Fault, side: Side, retry_after: Option<Duration>) {
        let attempt = self.current.as_ref();
        let lacking = attempt.and_then(|one| self.blame_for(one, fault, side, retry_after));
        self.lacking.extend(lacking);
    }

    /// The same for one attempt. Returns its vitals if it says that it lacks what the request needs.
    pub(super) fn blame_for(
        &self,
        attempt: &Attempted,
        fault: &Fault,
        side: Side,
        retry_after: Option<Duration>,
    ) -> Option<Arc<Vitals>> {
        let settings = &self.prepared.settings;
        let now = self.shared.clock.now();
        let whose = match side {
            Side::Client | Side::Nearway | Side::Nobody => return None,
            Side::Region => Whose::Region,
            Side::Deployment => {
                // a region that answers badly can be reached all the same
                attempt.answered(Whose::Region, now);
                Whose::Deployment
            }
        };
        let vitals = attempt.vitals_of(whose);
        let reason = fault.kind.as_str();
        let until = |rest| Moment::from(now + rest);
        let lesson = lesson(fault.kind);
        let pause = || settings.cooldown.throttled(retry_after);
        match lesson {
            Lesson::Throttled => vitals.refused(Moment::from(now), pause(), settings.cooldown.cap),
            // what fails says for itself when to come back
            _ if retry_after.is_some() => vitals.cool_until(until(pause())),
            _ => {}
        }
        match lesson {
            Lesson::None | Lesson::Throttled | Lesson::Lacking => {}
            Lesson::Unauthorized => {
                // said once, not for each request that finds out
                if vitals.unauthorized_for(Moment::from(now)).is_none()
                    && let Some(target) = settings.regions.get(attempt.place)
                {
                    credential_refused(target.region.name());
                }
                vitals.unauthorized_until(until(settings.unauthorized_for));
            }
            Lesson::Failing(failure) => attempt.failed(whose, failure, reason, now),
        }
        let after = now.saturating_sub(attempt.sent);
        self.report(attempt, now, Outcome::Failure { reason, after, retry_after });
        // another region may say the same: then the request was wrong
        (lesson == Lesson::Lacking).then(|| attempt.vitals.clone())
    }

    /// What the region says of its quota: when little is left, others come first, and probes take a small
    /// part of what there is.
    pub(crate) fn quota(&self, headers: &HeaderMap) {
        let Some(attempt) = &self.current else { return };
        let said = quota::read(headers);
        attempt.vitals.allow(said.limits.requests, said.limits.tokens);
        if let Some(spent) = said.nearly_spent {
            let spent = spent.min(self.prepared.settings.cooldown.cap);
            attempt.vitals.nearly_spent_until(Moment::from(self.shared.clock.now() + spent));
        }
    }

    /// The answer begins: whether its tokens can be seen as they come, and whether another deployment
    /// than the one that was asked for makes it.
    pub(crate) fn begins(&mut self, shows_tokens: bool, spilled: bool) {
        self.unlike |= spilled;
        let Some(attempt) = &mut self.current else { return };
        // it is not the one that was expected
        if shows_tokens != attempt.asked.shape.streams {
            attempt.pends_no_more();
        }
        attempt.asked.shape.streams = shows_tokens;
    }

    /// The first content token is here, after the model has thought if it `thinks`.
    pub(crate) fn first_token(&mut self, thinks: bool) {
        self.awaits(None);
        if thinks {
            self.prepared.thought(self.deployment_place, self.shared.clock.now());
        }
        let Some(attempt) = &mut self.current else { return };
        attempt.pends_no_more();
        let after = self.shared.clock.now().saturating_sub(attempt.sent);
        self.first_token = Some(after);
        self.prepared.route(Some(attempt.place), self.deployment_place).first_token(after);
    }

    /// What the end of the answer says of it.
    pub(crate) fn remarked(&mut self, remarks: Remarks) {
        self.output = remarks.output;
        let is_empty = remarks.filtered && self.first_token.is_none();
        self.unlike |= remarks.is_cached() || remarks.other_tier || is_empty;
        self.read_from_cache(remarks.cached, remarks.prompt);
        if self.sent_twice {
            // the region that lost has read it too
            self.shared.metrics.hedge_prompt(remarks.prompt);
        }
        if remarks.reasoning > 0 && self.first_token.is_some() {
            self.prepared.thought(self.deployment_place, self.shared.clock.now());
        }
    }

    /// It is over: how it ended teaches the breakers and the ranking.
    pub(super) fn teach(&self, outcome: RequestOutcome, now: Duration) {
        let Some(attempt) = &self.current else { return };
        let broke_off = |reason| {
            attempt.failed(Whose::Deployment, Failure::Fault, reason, now);
            let after = self.ended.unwrap_or(now).saturating_sub(attempt.sent);
            self.report(attempt, now, Outcome::Failure { reason, after, retry_after: None });
        };
        match outcome {
            RequestOutcome::Ok => {
                attempt.answered(Whose::Deployment, now);
                attempt.answered(Whose::Region, now);
                self.report(attempt, now, self.lesson_of(attempt, now));
            }
            RequestOutcome::Truncated => broke_off(FaultKind::Truncated.as_str()),
            RequestOutcome::FailedStream => broke_off(FaultKind::ServerError.as_str()),
            RequestOutcome::ClientGone => {
                let hedge = self.hedge.as_ref().map(|(attempt, _)| attempt);
                for attempt in hedge.into_iter().chain([attempt]) {
                    if let Some(after) = attempt.in_vain(now) {
                        self.report(attempt, now, Outcome::GivenUp { after });
                    }
                }
            }
            _ => {}
        }
    }

    /// What a good answer teaches: its times, unless they say nothing of the next one's.
    fn lesson_of(&self, attempt: &Attempted, now: Duration) -> Outcome {
        let total = self.ended.unwrap_or(now).saturating_sub(attempt.sent);
        let first_token = self.first_token;
        let thinks = first_token.is_some() && self.prepared.thinks(self.deployment_place, now);
        if self.unlike || thinks {
            return Outcome::Reachable { head: first_token.unwrap_or(total) };
        }
        Outcome::Answer { first_token, total, tokens: self.output }
    }

    pub(super) fn report(&self, attempt: &Attempted, now: Duration, outcome: Outcome) {
        let settings = &self.prepared.settings;
        let Some(target) = settings.regions.get(attempt.place) else { return };
        let report = Report {
            region: target.id,
            deployment: settings.metric_deployments.get(self.deployment_place).cloned(),
            sample: Sample {
                at: Moment::from(now),
                source: Source::Live,
                asked: attempt.asked,
                outcome,
            },
        };
        self.shared.reports.push(report, &self.shared.metrics);
    }
}
