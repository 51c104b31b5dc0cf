//! What clients saw of one fault, held against the bars, and as a line of the table.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::fault_load::{Kind, Outcome, Seen};
use crate::faults::{Fault, How, Pace, SLOW};

/// What one fault did.
pub(crate) struct Row {
    name: &'static str,
    requests: usize,
    /// Requests that met the fault themselves: they failed there, or waited as long as it slows.
    met: usize,
    /// Completions that failed although another region could have answered.
    errors: usize,
    /// Completions that failed while no region could have answered.
    excused: usize,
    /// Streams that had begun and broke off visibly; nobody can repeat them.
    broken: usize,
    /// Streams that ended as if they were whole, and were not.
    silent_ends: usize,
    /// Uploads that failed: once a region has seen one it must not be sent again.
    unsure_uploads: usize,
    /// Uploads that regions hold more than once.
    duplicates: usize,
    /// From the fault (or its end, when all are down) to the start of the last request that failed, or
    /// that the ill region was left to answer; as long as the fault itself: not before it was healed.
    right_again: Duration,
    /// What `right_again` may be; `None`: it is only shown.
    within: Option<Duration>,
    /// Requests that took more than one attempt.
    failed_over: usize,
    slowest: Duration,
    kinds: BTreeMap<String, usize>,
}

impl Row {
    /// Sums up the requests of a run with a fault that began at `begin`.
    pub(crate) fn judge(
        fault: &Fault,
        pace: Pace,
        seen: &[Seen],
        begin: Duration,
        duplicates: usize,
    ) -> Self {
        let heal = pace.heal();
        let all_down = matches!(fault.how, How::AllDown);
        let in_fault = |request: &Seen| request.started < heal && request.ended > begin;
        let failed = |request: &&Seen| matches!(request.outcome, Outcome::Failed(_));
        let (uploads, others): (Vec<&Seen>, Vec<&Seen>) =
            seen.iter().filter(failed).partition(|request| request.kind == Kind::Upload);
        let (excused, errors): (Vec<&Seen>, Vec<&Seen>) =
            others.into_iter().partition(|request| all_down && in_fault(request));
        let mut kinds = BTreeMap::new();
        for request in seen {
            let upload = if request.kind == Kind::Upload { "upload: " } else { "" };
            let kind = match &request.outcome {
                Outcome::Answered => continue,
                Outcome::Failed(kind) | Outcome::Broken(kind) => format!("{upload}{kind}"),
                Outcome::SilentEnd => "stream ended as if whole".to_owned(),
            };
            *kinds.entry(kind).or_default() += 1;
        }
        let met = |request: &&Seen| {
            let waited = request.ended - request.started >= SLOW;
            let failed = request.attempts > 1 || request.outcome != Outcome::Answered;
            in_fault(request) && (failed || waited)
        };
        let since = if all_down { heal } else { begin };
        let flapping = matches!(fault.how, How::Flapping);
        let wrong = |request: &&Seen| {
            let ill = !all_down && !flapping && request.started < heal;
            let astray = ill && request.region.as_deref() == Some("lead");
            // a region without the deployment can take an upload all the same
            let astray = astray && request.kind != Kind::Upload;
            // an upload may not be repeated, so one that fails on its way proves nothing
            let failed = request.outcome != Outcome::Answered && request.kind != Kind::Upload;
            request.started >= since && (failed || astray)
        };
        let last_wrong = seen.iter().filter(wrong).map(|request| request.started).max();
        let count = |is: fn(&Outcome) -> bool| seen.iter().filter(|s| is(&s.outcome)).count();
        let led = seen.iter().any(|s| s.started < begin && s.region.as_deref() == Some("lead"));
        assert!(led || begin.is_zero(), "{}: the leader did not lead", fault.name);
        Self {
            name: fault.name,
            requests: seen.len(),
            met: seen.iter().filter(met).count(),
            errors: errors.len(),
            excused: excused.len(),
            broken: count(|outcome| matches!(outcome, Outcome::Broken(_))),
            silent_ends: count(|outcome| matches!(outcome, Outcome::SilentEnd)),
            unsure_uploads: uploads.len(),
            duplicates,
            right_again: last_wrong.map_or(Duration::ZERO, |at| at - since),
            within: pace
                .within
                .map(|within| if fault.how.slows() { 2 * PROBE_INTERVAL } else { within }),
            failed_over: seen.iter().filter(|request| request.attempts > 1).count(),
            slowest: seen.iter().map(|request| request.ended - request.started).max().unwrap(),
            kinds,
        }
    }

    /// What falls short of the bar.
    pub(crate) fn misses(&self) -> Vec<String> {
        let bars = [
            (self.met == 0, "no request met the fault"),
            (self.errors > 0, "errors"),
            (self.duplicates > 0, "duplicates"),
            (self.silent_ends > 0, "silent ends"),
            (self.within.is_some_and(|within| self.right_again > within), "right again too late"),
        ];
        let missed = bars.iter().filter(|(missed, _)| *missed);
        missed.map(|(_, what)| format!("{}: {what}", self.name)).collect()
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> =
            self.kinds.iter().map(|(kind, times)| format!("{times} x {kind}")).collect();
        write!(
            f,
            "{:<25} | {:>8} | {:>4} | {:>6} | {:>10} | {:>9.2} s | {:>14} | {:>14} | {:>7} | {:>11} | \
             {:>5.2} s | {}",
            self.name,
            self.requests,
            self.met,
            self.errors,
            self.duplicates,
            self.right_again.as_secs_f64(),
            self.broken,
            self.unsure_uploads,
            self.excused,
            self.failed_over,
            self.slowest.as_secs_f64(),
            kinds.join(", ")
        )
    }
}

const PROBE_INTERVAL: Duration = Duration::from_secs(1);
