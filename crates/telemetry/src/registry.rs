//! One registry of metrics: made at start, rendered by the admin listener, drained on a timer.
//!
//! Each [`Metrics`] owns its recorder and none is installed globally, so several proxies can live
//! in one test process. Handles come from `handles.rs`; this file knows kinds, not meanings.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::exposition;
use crate::names::{self, Family, Kind};

/// The media type of [`Metrics::render`] (Prometheus text format 0.0.4).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How often the binary calls [`Metrics::upkeep`]. Samples take 8 bytes until then: at 30,000 requests a
/// second about half a megabyte each time.
pub const UPKEEP_EVERY: Duration = Duration::from_millis(250);

/// Which build is running, as labels of `nearway_build_info`.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The version of the workspace.
    pub version: &'a str,
    /// The revision that was built, where the build knew it.
    pub commit: Option<&'a str>,
}

/// A histogram was declared without buckets: a mistake in `names.rs`, found at start.
#[derive(Debug, thiserror::Error)]
#[error("the metric {name} is declared without buckets")]
pub struct InvalidBuckets {
    name: &'static str,
}

/// The metrics of one proxy. A clone is another handle to the same ones.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    exporter: PrometheusHandle,
}

impl Metrics {
    /// Describes every family of [`names::ALL`] and sets `nearway_build_info`.
    ///
    /// # Errors
    ///
    /// [`InvalidBuckets`] when a histogram's declaration has none; the tests exclude it.
    pub fn new(build: Build<'_>) -> Result<Self, InvalidBuckets> {
        let mut builder = PrometheusBuilder::new();
        for &Family { name, kind, .. } in names::ALL {
            if let Kind::Histogram(buckets) = kind {
                builder = builder
                    .set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
                    .map_err(|_| InvalidBuckets { name })?;
            }
        }
        let recorder = builder.build_recorder();
        let metrics = Self { exporter: recorder.handle(), recorder: Arc::new(recorder) };
        metrics.describe_all();
        let labels = [("version", build.version), ("commit", build.commit.unwrap_or("unknown"))];
        metrics.gauge(&names::BUILD_INFO, &labels).set(1.0);
        Ok(metrics)
    }

    /// The metrics now, as Prometheus text: families by name, absent gauges left out.
    #[must_use]
    pub fn render(&self) -> String {
        exposition::tidy(&self.exporter.render())
    }

    /// Moves recorded samples into their buckets. Without it each sample stays in memory until
    /// somebody scrapes; call it every [`UPKEEP_EVERY`].
    pub fn upkeep(&self) {
        self.exporter.run_upkeep();
    }

    pub(crate) fn counter(&self, family: &Family, labels: &[(&'static str, &str)]) -> Counter {
        self.recorder.register_counter(&key(family, labels), &METADATA)
    }

    pub(crate) fn gauge(&self, family: &Family, labels: &[(&'static str, &str)]) -> Gauge {
        self.recorder.register_gauge(&key(family, labels), &METADATA)
    }

    pub(crate) fn histogram(&self, family: &Family, labels: &[(&'static str, &str)]) -> Histogram {
        self.recorder.register_histogram(&key(family, labels), &METADATA)
    }

    fn describe_all(&self) {
        for &Family { name, help, unit, kind } in names::ALL {
            let (unit, help) = (Some(unit), help.into());
            match kind {
                Kind::Counter => self.recorder.describe_counter(name.into(), unit, help),
                Kind::Gauge => self.recorder.describe_gauge(name.into(), unit, help),
                Kind::Histogram(_) => self.recorder.describe_histogram(name.into(), unit, help),
            }
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The recorder is asked directly rather than through the `metrics` macros: they would need it to
/// be installed for the thread, and they cannot take a name from a declaration with its labels.
const METADATA: Metadata<'static> = Metadata::new("nearway", Level::INFO, None);

fn key(family: &Family, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels.iter().map(|&(name, value)| Label::new(name, value.to_owned()));
    Key::from_parts(family.name, labels.collect::<Vec<_>>())
}
