//! What came of a world: costs of requests, attempts, errors, probes, and who got which request.

/// One run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Milliseconds to the first token of a stream or to the end of another answer, since the client
    /// asked; [`FAILURE`](crate::region::FAILURE) more if it never came. In the order of requests.
    pub(crate) costs: Vec<f64>,
    /// Where each request was sent first, in the order of requests.
    pub(crate) routes: Vec<Route>,
    pub(crate) errors: usize,
    pub(crate) attempts: usize,
    pub(crate) probes: usize,
    pub(crate) changes: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) at: f64,
    pub(crate) region: usize,
}

impl Tally {
    pub(crate) fn mean(&self) -> f64 {
        mean(&self.costs)
    }

    /// Of the costs: `share` of them are less.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        quantile(&self.costs, share)
    }

    /// For each request of a client.
    pub(crate) fn attempts_each(&self) -> f64 {
        self.attempts as f64 / self.costs.len() as f64
    }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

pub(crate) fn geometric_mean(values: &[f64]) -> f64 {
    mean(&values.iter().map(|value| value.ln()).collect::<Vec<_>>()).exp()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}
