//! Who decides where requests go, and the two that everything is measured by: the oracle and the
//! fixed region.

use crate::{
    scene::{Fault, Scene},
    world::Request,
};

/// One proxy's brain. The defaults suit those that learn nothing.
pub(crate) trait Chooser {
    /// The region for a request that has been in those that it `tried`.
    fn choose(&mut self, at: f64, request: &Request, tried: &[usize], scene: &Scene<'_>) -> usize;
    /// The attempt was sent.
    fn sent(&mut self, _at: f64, _attempt: usize, _region: usize, _request: &Request) {}
    /// Its first content, or its whole answer, is there.
    fn answered(&mut self, _attempt: usize) {}
    /// All of it is over: with a fault, or without.
    fn over(&mut self, _at: f64, _attempt: usize, _fault: Option<Fault>) {}
    /// What was seen reaches those that learn from it.
    fn learn(&mut self, _at: f64, _seen: &Seen) {}
    /// Whether the attempt waits so long that another one should be made beside it.
    fn is_stuck(&self, _at: f64, _attempt: usize) -> bool {
        false
    }
    /// The regions to probe now.
    fn probes(&mut self, _at: f64) -> Vec<usize> {
        Vec::new()
    }
    /// A probe came back after so many milliseconds, or failed.
    fn probed(&mut self, _at: f64, _region: usize, _millis: Option<f64>) {}
    /// How often the leader changed.
    fn changes(&self) -> usize {
        0
    }
}

/// What was seen of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) attempt: usize,
    pub(crate) region: usize,
    pub(crate) request: Request,
    /// Since it was sent, in milliseconds.
    pub(crate) millis: f64,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// The first token of a stream, or the whole answer of any other.
    Answered,
    Failed,
    /// Another attempt was faster.
    GivenUp,
}

/// Knows what a request costs on average in each region just now.
#[derive(Debug)]
pub(crate) struct Oracle;

impl Chooser for Oracle {
    fn choose(&mut self, at: f64, request: &Request, tried: &[usize], scene: &Scene<'_>) -> usize {
        let mean = |region: &usize| scene.mean(*region, at, request);
        let left = (0..scene.world.regions.len()).filter(|region| !tried.contains(region));
        left.min_by(|one, other| mean(one).total_cmp(&mean(other))).unwrap_or(0)
    }
}

/// One region for all requests; after a fault the next.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) usize);

impl Chooser for Fixed {
    fn choose(&mut self, _at: f64, _: &Request, tried: &[usize], scene: &Scene<'_>) -> usize {
        let all = scene.world.regions.len();
        let in_turn = (self.0..all).chain(0..self.0);
        in_turn.into_iter().find(|region| !tried.contains(region)).unwrap_or(self.0)
    }
}
