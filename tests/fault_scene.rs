//! Where a fault happens: three regions, the first of them behind a front, and their configuration.
//!
//! The configuration is a user's: every time in it is the default. With a probe each half minute no
//! round falls into a run but the first, so what is seen is what requests themselves bring about. Only
//! where a region becomes slow, which probes are there for, they come once a second.

use std::time::Duration;

use nearway_sim::{Change, Mode as RegionMode};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Authority;
use crate::chaos::{Front, Mode};
use crate::faults::{How, SLOW};
use crate::harness::{Regions, config, region};

/// Three regions, the first of them behind a front, and a configuration of them.
pub(crate) struct Scene {
    how: How,
    pub(crate) regions: Regions,
    front: Front,
    bad: Option<TlsAcceptor>,
    pub(crate) config: String,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new(how: How) -> Self {
        // far apart: the first round decides who leads for half a minute, however busy the machine is
        let regions = Regions::start(&[("lead", 100.0), ("second", 250.0), ("third", 400.0)]);
        for (name, _, _) in &regions.list {
            regions.control.update(name, |world| world.per_token_ms = 10.0).unwrap();
        }
        let address = regions.list[0].1.strip_prefix("http://").unwrap().parse().unwrap();
        let mut lines = regions.configured();
        let folder = tempfile::tempdir().unwrap();
        let (mut good, mut bad) = (None, None);
        let mut more = format!(", api_key: {}", regions.list[0].2);
        if let How::Certificate(name, year, trusted) = how {
            let authority = Authority::new();
            let own = authority.certificate("127.0.0.1", 2099);
            let file = folder.path().join("ca.pem");
            std::fs::write(&file, &own.ca_pem).unwrap();
            more.push_str(&format!(", ca_file: '{}'", file.display()));
            let signer = if trusted { authority } else { Authority::new() };
            good = Some(TlsAcceptor::from(own.server));
            bad = Some(TlsAcceptor::from(signer.certificate(name, year).server));
        }
        let scheme = if good.is_some() { "https" } else { "http" };
        let front = Front::start(address, good);
        let url = match how {
            How::NoName => "http://lead.invalid".to_owned(),
            _ => format!("{scheme}://{}", front.address),
        };
        let settings = if how.slows() { OFTEN } else { SELDOM };
        lines[0] = region("lead", &url, &more);
        Self { how, regions, front, bad, config: config(&lines, settings), _folder: folder }
    }

    /// Does the fault or heals it.
    pub(crate) fn set(&self, broken: bool) {
        let control = &self.regions.control;
        match self.how {
            How::Region(changes) => {
                let [change, back] = changes();
                control.set("lead", if broken { change } else { back }).unwrap();
            }
            How::BrownOut => {
                let base = if broken { SLOW } else { LEAD };
                control.set("lead", Change::Base(base)).unwrap();
            }
            How::AllDown => {
                let mode = if broken { RegionMode::Refuse } else { RegionMode::Up };
                for (name, _, _) in &self.regions.list {
                    control.set(name, Change::Mode(mode)).unwrap();
                }
            }
            How::NoName => {}
            _ if !broken => self.front.set(Mode::Pass),
            How::Front(mode) => self.front.set(mode()),
            How::Flapping => self.front.set(Mode::Killed),
            How::Certificate(..) => self.front.set(Mode::Certificate(self.bad.clone().unwrap())),
        }
    }
}

/// The time to the first token that `lead` has in good times.
const LEAD: Duration = Duration::from_millis(100);
const SELDOM: &str = "probe: {deployments: [gpt-4o]}";
const OFTEN: &str = "probe: {deployments: [gpt-4o], interval: 1s}\n\
                     routing: {switch: {hold: 1s}}";
