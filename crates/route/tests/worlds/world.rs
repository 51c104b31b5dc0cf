//! A world: its regions and the requests that come.

use crate::{chance::Chance, region::Region};

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) name: String,
    pub(crate) regions: Vec<Region>,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Seconds that requests come.
    pub(crate) length: f64,
    /// Seconds between two probes.
    pub(crate) interval: f64,
    /// Least and most prompt tokens.
    pub(crate) prompt: (f64, f64),
    /// Least and most output tokens.
    pub(crate) output: (f64, f64),
    /// Share of the requests that stream.
    pub(crate) streams: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// When it comes, in seconds.
    pub(crate) at: f64,
    /// Tokens.
    pub(crate) prompt: u32,
    /// Tokens.
    pub(crate) output: u32,
    pub(crate) streams: bool,
}

pub(crate) fn world(name: &str, regions: Vec<Region>) -> World {
    World {
        name: name.to_owned(),
        regions,
        rate: 25.0,
        length: 90.0,
        interval: 1.0,
        prompt: (20.0, 2_000.0),
        output: (20.0, 60.0),
        streams: 0.7,
    }
}

impl World {
    /// In the order in which they come.
    pub(crate) fn requests(&self, seed: u64) -> Vec<Request> {
        let mut chance = Chance::new(seed);
        let mut at = FIRST_AT;
        let mut requests = Vec::new();
        loop {
            at += chance.gap(1.0 / self.rate);
            if at > self.length {
                return requests;
            }
            requests.push(Request {
                at,
                prompt: whole(chance.between_log(self.prompt.0, self.prompt.1)),
                output: whole(chance.between(self.output.0, self.output.1)),
                streams: chance.unit() < self.streams,
            });
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn whole(tokens: f64) -> u32 {
    tokens.round() as u32
}

/// The first probes have come back by then.
const FIRST_AT: f64 = 0.5;
