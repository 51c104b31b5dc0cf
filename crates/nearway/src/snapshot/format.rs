//! What the file says: one JSON object with a version, and which of it holds for the regions of now.
//!
//! Regions are named as in the configuration, each with its URL and its own name of the deployment: an
//! estimate is of use only where all three are the same. Pure.

use std::sync::Arc;
use std::time::Duration;

use nearway_proxy::{Settings, Target};
use nearway_route::{Class, Learned, Remembered};
use serde::{Deserialize, Serialize};

use crate::snapshot::Resumed;

/// The number that a program raises when it writes something else.
const VERSION: u32 = 2;
/// The oldest that this program still reads: 1 has no traffic.
const OLDEST: u32 = 1;

/// The whole file.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Saved {
    nearway_snapshot: u32,
    /// When it was true.
    saved_unix_ms: u64,
    estimates: Vec<Estimate>,
    #[serde(default)]
    traffic: Vec<Traffic>,
}

/// What any version of the file has.
#[derive(Deserialize)]
struct Version {
    nearway_snapshot: u32,
}

/// As [`Remembered`], with names that mean the same in every process.
#[derive(Debug, Deserialize, Serialize)]
struct Estimate {
    region: String,
    url: String,
    deployment: String,
    /// What the region calls it.
    served_as: String,
    terms: [f64; 4],
    covariance: [[f64; 4]; 4],
    scatter: f64,
    failing: f64,
    age_ms: Option<u64>,
}

/// As [`nearway_route::Traffic`], with the label of the class.
#[derive(Debug, Deserialize, Serialize)]
struct Traffic {
    deployment: String,
    class: String,
    main: bool,
    requests: f64,
    prompt: Option<f64>,
    output: Option<f64>,
    variance: f64,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ignored {
    #[error("there is none yet")]
    Missing,
    #[error("it cannot be read ({0})")]
    Unreadable(std::io::Error),
    #[error("it is no snapshot of Nearway, or broken")]
    Foreign,
    #[error("it is of version {0}, and this program reads {OLDEST} to {VERSION}")]
    Version(u32),
    #[error("it was saved in the future by this machine's clock")]
    Future,
    #[error("it is {age:?} old, and routing.window is {window:?}")]
    Old { age: Duration, window: Duration },
}

impl From<std::io::Error> for Ignored {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Unreadable(error),
        }
    }
}

impl Saved {
    /// What was true at this time, of the regions that are still configured.
    pub(super) fn new(learned: &Learned, settings: &Settings, saved_unix_ms: u64) -> Self {
        let estimates = learned.estimates.iter().filter_map(|one| estimate(one, settings));
        let traffic = learned.traffic.iter().map(Traffic::from);
        Self {
            nearway_snapshot: VERSION,
            saved_unix_ms,
            estimates: estimates.collect(),
            traffic: traffic.collect(),
        }
    }

    /// The text of the file.
    pub(super) fn json(&self) -> std::io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }
}

/// What the text holds for these regions, if it is younger than `window`.
pub(super) fn read(
    text: &[u8],
    settings: &Settings,
    now_unix_ms: u64,
    window: Duration,
) -> Result<Resumed, Ignored> {
    let version: Version = serde_json::from_slice(text).map_err(|_| Ignored::Foreign)?;
    if !(OLDEST..=VERSION).contains(&version.nearway_snapshot) {
        return Err(Ignored::Version(version.nearway_snapshot));
    }
    let saved: Saved = serde_json::from_slice(text).map_err(|_| Ignored::Foreign)?;
    let age = now_unix_ms.checked_sub(saved.saved_unix_ms).ok_or(Ignored::Future)?;
    let age = Duration::from_millis(age);
    if age >= window {
        return Err(Ignored::Old { age, window });
    }
    let estimates = saved.estimates.iter().filter_map(|one| remembered(one, settings));
    let traffic = saved.traffic.iter().filter_map(Traffic::counted);
    let learned = Learned { estimates: estimates.collect(), traffic: traffic.collect() };
    Ok(Resumed { learned, later: age })
}

impl From<&nearway_route::Traffic> for Traffic {
    fn from(counted: &nearway_route::Traffic) -> Self {
        Self {
            deployment: counted.deployment.to_string(),
            class: counted.class.as_str().to_owned(),
            main: counted.main,
            requests: counted.requests,
            prompt: counted.prompt,
            output: counted.output,
            variance: counted.variance,
        }
    }
}

impl Traffic {
    /// `None` where this program knows no such class. What is not probed any more, the ranker passes over.
    fn counted(&self) -> Option<nearway_route::Traffic> {
        Some(nearway_route::Traffic {
            deployment: self.deployment.as_str().into(),
            class: Class::named(&self.class)?,
            main: self.main,
            requests: self.requests,
            prompt: self.prompt,
            output: self.output,
            variance: self.variance,
        })
    }
}

fn estimate(one: &Remembered, settings: &Settings) -> Option<Estimate> {
    let target = settings.regions.iter().find(|target| target.id == one.region)?;
    Some(Estimate {
        region: target.region.name().to_string(),
        url: url(target),
        deployment: one.deployment.to_string(),
        served_as: target.deployment(&one.deployment)?.to_owned(),
        terms: one.terms,
        covariance: one.covariance,
        scatter: one.scatter,
        failing: one.failing,
        age_ms: one.age.and_then(|age| u64::try_from(age.as_millis()).ok()),
    })
}

/// `None` where the region is no longer what it was.
fn remembered(one: &Estimate, settings: &Settings) -> Option<Remembered> {
    let mut targets = settings.regions.iter();
    let target = targets.find(|target| **target.region.name() == *one.region)?;
    let same = url(target) == one.url && target.deployment(&one.deployment) == Some(&one.served_as);
    same.then(|| Remembered {
        region: target.id,
        deployment: Arc::from(one.deployment.as_str()),
        terms: one.terms,
        covariance: one.covariance,
        scatter: one.scatter,
        failing: one.failing,
        age: one.age_ms.map(Duration::from_millis),
    })
}

fn url(target: &Target) -> String {
    let origin = target.region.origin();
    let scheme = if origin.https { "https" } else { "http" };
    format!("{scheme}://{}:{}{}", origin.host, origin.port, origin.prefix)
}

#[cfg(test)]
mod tests {
    use nearway_route::RegionId;

    use super::*;
    use crate::assemble::Assembly;
    use crate::testing::config;

    const WINDOW: Duration = Duration::from_secs(300);
    const SAVED: u64 = 1_700_000_000_000;

    fn settings(change: impl FnOnce(&mut nearway_config::Config)) -> Settings {
        let mut config = config("");
        change(&mut config);
        Assembly::new(1).make(&config).unwrap().proxy
    }

    fn learned() -> Remembered {
        let mut covariance = [[0.0; 4]; 4];
        (0..4).for_each(|place| covariance[place][place] = 0.1 + 0.2);
        Remembered {
            region: RegionId(0),
            deployment: "gpt-4o".into(),
            terms: [100.0 / 3.0, 5.0, 1.0, 0.5],
            covariance,
            scatter: 0.2,
            failing: 0.05,
            age: Some(Duration::from_millis(1_500)),
        }
    }

    fn traffic() -> nearway_route::Traffic {
        nearway_route::Traffic {
            deployment: "gpt-4o".into(),
            class: Class::named("whole_long").unwrap(),
            main: true,
            requests: 12.5,
            prompt: Some(20_000.0 / 3.0),
            output: None,
            variance: 0.1 + 0.2,
        }
    }

    fn all() -> Learned {
        Learned { estimates: vec![learned()], traffic: vec![traffic()] }
    }

    fn saved() -> Vec<u8> {
        Saved::new(&all(), &settings(|_| {}), SAVED).json().unwrap()
    }

    fn with(from: &str, to: &str) -> Vec<u8> {
        let text = String::from_utf8(saved()).unwrap();
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    }

    #[test]
    fn what_is_written_is_read() {
        let read = read(&saved(), &settings(|_| {}), SAVED + 12_000, WINDOW).unwrap();
        assert_eq!(read.learned, all());
        assert_eq!(read.later, Duration::from_secs(12));
        assert_eq!(read.oldest(), Duration::from_millis(13_500));
    }

    #[test]
    fn a_region_that_is_another_one_now_begins_anew() {
        type Change = fn(&mut nearway_config::Region);
        let changes: [(Change, usize); 6] = [
            (|region| region.url.host = "b.example.com".into(), 0),
            (|region| region.url.prefix = "/v2".into(), 0),
            (|region| region.name = "other".into(), 0),
            (|region| region.deployments = [("gpt-4o".into(), "mini".into())].into(), 0),
            (|region| region.deployments = [("o3".into(), "o3".into())].into(), 0),
            (|region| region.api_key = Some("rotated".into()), 1),
        ];
        for (change, expected) in changes {
            let settings = settings(|config| change(&mut config.regions[0]));
            let read = read(&saved(), &settings, SAVED, WINDOW).unwrap();
            assert_eq!(read.learned.estimates.len(), expected);
        }
        let gone = Remembered { region: RegionId(7), ..learned() };
        let gone = Learned { estimates: vec![gone], traffic: Vec::new() };
        assert!(Saved::new(&gone, &settings(|_| {}), SAVED).estimates.is_empty());
    }

    #[test]
    fn a_file_of_the_version_before_is_read_without_what_it_does_not_have() {
        let old = br#"{"nearway_snapshot":1,"saved_unix_ms":1700000000000,"estimates":[{"region":"a",
            "url":"https://a.example.com:443","deployment":"gpt-4o","served_as":"gpt-4o",
            "terms":[100.0,5.0,1.0,0.5],"covariance":[[0.3,0,0,0],[0,0.3,0,0],[0,0,0.3,0],[0,0,0,0.3]],
            "scatter":0.2,"failing":0.05,"age_ms":1500}]}"#;
        let read = read(old, &settings(|_| {}), SAVED, WINDOW).unwrap().learned;
        assert_eq!((read.estimates.len(), read.traffic.len()), (1, 0));
    }

    #[test]
    fn requests_of_a_class_that_there_is_no_more_are_passed_over() {
        let text = with("whole_long", "whole_huge");
        let read = read(&text, &settings(|_| {}), SAVED, WINDOW).unwrap().learned;
        assert_eq!((read.estimates.len(), read.traffic.len()), (1, 0));
    }

    #[test]
    fn what_is_old_foreign_or_broken_is_ignored_and_says_so() {
        let settings = settings(|_| {});
        let window = 300_000;
        let cases = [
            (saved(), SAVED + window, "old, and routing.window is"),
            (saved(), SAVED - 1, "in the future"),
            (with("\"nearway_snapshot\":2", "\"nearway_snapshot\":3"), SAVED, "version 3"),
            (with("\"nearway_snapshot\":2", "\"nearway_snapshot\":0"), SAVED, "version 0"),
            (with("\"scatter\":0.2", "\"scatter\":\"x\""), SAVED, "broken"),
            (b"{\"a\":1}".to_vec(), SAVED, "no snapshot"),
            (b"\xff\xfe".to_vec(), SAVED, "no snapshot"),
            (Vec::new(), SAVED, "no snapshot"),
        ];
        for (text, now, expected) in cases {
            let said = read(&text, &settings, now, WINDOW).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
        assert!(read(&saved(), &settings, SAVED + window - 1, WINDOW).is_ok());
        for cut in 0..saved().len() {
            assert!(read(&saved()[..cut], &settings, SAVED, WINDOW).is_err(), "{cut}");
        }
    }
}
