//! The fault matrix: under a steady load one fault befalls the region that leads and is healed
//! again; here is what clients saw of it.
//!
//! The leading region is reached through a front (`chaos.rs`) that can break what a region cannot.
//! What is measured and what the bars are is in `fault_row.rs`.

use std::sync::mpsc::channel;
use std::time::Duration;

use nearway_sim::{Change, Deployment, Hint, Throttle};

use crate::chaos::Mode;
use crate::fault_load::{Event, Seen, duplicates, run};
use crate::fault_row::Row;
use crate::fault_scene::Scene;
use crate::harness::{Bound, Proxy};
use crate::raw::eventually;

/// One row.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) how: How,
}

/// Who does the fault.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// The front, in this mode.
    Front(fn() -> Mode),
    /// The front's certificate: for whom, until which year, from an authority that is trusted.
    Certificate(&'static str, i32, bool),
    /// The region, with this change and the one that heals it.
    Region(fn() -> [Change; 2]),
    /// The region's name does not exist, from the start on.
    NoName,
    /// Gone for a second, back for a second.
    Flapping,
    /// The region becomes slow.
    BrownOut,
    /// No region takes connections.
    AllDown,
}

impl How {
    /// A matter of speed, so of probes.
    pub(crate) fn slows(self) -> bool {
        matches!(self, Self::BrownOut)
    }
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault { name: "killed process", how: How::Front(|| Mode::Killed) },
    Fault { name: "refused port", how: How::Front(|| Mode::Closed) },
    Fault { name: "black hole", how: How::Front(|| Mode::Silent) },
    Fault { name: "reset after accept", how: How::Front(|| Mode::ResetAccept) },
    Fault { name: "reset after headers", how: How::Front(|| Mode::ResetHead) },
    Fault { name: "reset mid-stream", how: How::Front(|| Mode::ResetMiddle) },
    Fault { name: "certificate expired", how: How::Certificate("127.0.0.1", 2020, true) },
    Fault { name: "certificate of another", how: How::Certificate("elsewhere.test", 2099, true) },
    Fault { name: "certificate of unknown CA", how: How::Certificate("127.0.0.1", 2099, false) },
    Fault { name: "no such name", how: How::NoName },
    Fault { name: "500", how: How::Front(|| Mode::Answer(E500)) },
    Fault { name: "502", how: How::Front(|| Mode::Answer(E502)) },
    Fault { name: "503", how: How::Front(|| Mode::Refusal(E503)) },
    Fault { name: "529", how: How::Front(|| Mode::Refusal(E529)) },
    Fault { name: "429 retry-after-ms", how: How::Region(|| throttled(Hint::Millis)) },
    Fault { name: "429 retry-after seconds", how: How::Region(|| throttled(Hint::Seconds)) },
    Fault { name: "429 retry-after date", how: How::Region(|| throttled(Hint::Date)) },
    Fault { name: "429 without a hint", how: How::Region(|| throttled(Hint::None)) },
    Fault { name: "502 with an HTML page", how: How::Front(|| Mode::Answer(HTML)) },
    Fault { name: "truncated body", how: How::Front(|| Mode::Truncated) },
    Fault { name: "bad chunking", how: How::Front(|| Mode::BadChunks) },
    Fault { name: "slow head", how: How::Front(|| Mode::SlowHead(SLOW)) },
    Fault { name: "stall mid-body", how: How::Front(|| Mode::Stall) },
    Fault { name: BROWN_OUT, how: How::BrownOut },
    Fault { name: "flapping each second", how: How::Flapping },
    Fault { name: "all down, then back", how: How::AllDown },
    Fault { name: "wrong key", how: How::Region(|| ["rotated", "sim-key"].map(key)) },
    Fault { name: "missing deployment", how: How::Region(missing) },
];

fn throttled(hint: Hint) -> [Change; 2] {
    let throttle = Throttle { per_minute: 0, hint, retry_after_ms: Some(2_000) };
    [Some(throttle), None].map(Change::Throttle)
}

fn key(key: &str) -> Change {
    Change::Key(key.to_owned())
}

fn missing() -> [Change; 2] {
    let deployment = Deployment::new("gpt-4o");
    [Change::DropDeployment(deployment.name.clone()), Change::AddDeployment(deployment)]
}

/// How many requests a second, how long before, during and after the fault, and how soon all must be
/// right again.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) rate: u32,
    pub(crate) before: Duration,
    pub(crate) during: Duration,
    pub(crate) after: Duration,
    /// When requests must be right again after the first fault; `None`: that is only shown.
    pub(crate) within: Option<Duration>,
}

impl Pace {
    /// When the fault is healed.
    pub(crate) fn heal(self) -> Duration {
        self.before + self.during
    }
}

impl Fault {
    /// Lets the fault befall the leader under load.
    pub(crate) fn measure(&self, pace: Pace) -> Row {
        let scene = Scene::new(self.how);
        let (begin, seen) = match self.how {
            How::NoName => (Duration::ZERO, from_the_start(&scene, pace)),
            _ => (pace.before, self.in_between(&scene, pace)),
        };
        Row::judge(self, pace, &seen, begin, duplicates(&scene.regions.list))
    }

    /// Starts everything, has the leader lead, and then the fault comes and goes.
    fn in_between(&self, scene: &Scene, pace: Pace) -> Vec<Seen> {
        let proxy = Proxy::start(&scene.config);
        eventually("the leader leads", || {
            let table = proxy.table();
            let deployment = &table["deployments"][0];
            let measured = |entry: &serde_json::Value| entry["state"] == "fresh";
            deployment["leader"] == "lead"
                && deployment["order"].as_array().unwrap().iter().all(measured)
        });
        let mut events: Vec<Event<'_>> = Vec::new();
        if matches!(self.how, How::Flapping) {
            let second = Duration::from_secs(1);
            for number in 0.. {
                let at = pace.before + second * number;
                if at >= pace.heal() {
                    break;
                }
                events.push((at, Box::new(move || scene.set(number % 2 == 0))));
            }
        } else {
            events.push((pace.before, Box::new(|| scene.set(true))));
        }
        events.push((pace.heal(), Box::new(|| scene.set(false))));
        run(proxy.listen, pace.rate, pace.heal() + pace.after, events)
    }
}

/// The fault is there before anything is: requests wait for the proxy when it starts, so that they and
/// no probe are the first to meet it.
fn from_the_start(scene: &Scene, pace: Pace) -> Vec<Seen> {
    let bound = Bound::new(&scene.config);
    let listen = bound.listen;
    let (some_wait, told) = channel();
    std::thread::scope(|scope| {
        let load = scope.spawn(move || {
            let tell: Event<'_> = (WAITING, Box::new(move || some_wait.send(()).unwrap()));
            run(listen, pace.rate, pace.heal() + pace.after, vec![tell])
        });
        told.recv().unwrap();
        let _proxy = bound.start(None);
        load.join().unwrap()
    })
}

/// A few requests at any rate.
const WAITING: Duration = Duration::from_millis(50);
const BROWN_OUT: &str = "brown-out, 100 ms to 3 s";
/// What a slow region takes.
pub(crate) const SLOW: Duration = Duration::from_secs(3);

const E500: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n\
     content-length: 48\r\n\r\n{\"error\":{\"message\":\"x\",\"code\":\"server_error\"}} ";
const E502: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
const E503: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const E529: &str = "HTTP/1.1 529 Overloaded\r\ncontent-length: 0\r\n\r\n";
const HTML: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\n\
     content-length: 37\r\n\r\n<html><h1>502 Bad Gateway</h1></html>";
