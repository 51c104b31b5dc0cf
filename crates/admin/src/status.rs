//! What the pages are made from: snapshots that others publish whole.

use std::fmt;
use std::sync::Arc;

use http::Method;
use nearway_route::{Lack, Live, Moment, RegionId, Table};
use nearway_telemetry::Metrics;

/// Everything that the admin listener may show.
#[derive(Clone)]
pub struct App {
    /// Published by the ranking.
    pub table: Arc<Live<Table>>,
    /// Rendered for each scrape.
    pub metrics: Metrics,
    /// The clock that the table's moments come from.
    pub clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// Published by the binary.
    pub status: Arc<Live<Status>>,
    /// What the proxy would make of a request that somebody asks about.
    pub requests: Arc<dyn Requests + Send + Sync>,
}

/// The configuration in force, as far as the choice of a region depends on it.
pub trait Requests {
    /// What a request of this method to this path, with or without a query, asks for.
    ///
    /// # Errors
    /// What is wrong with the path, in words.
    fn read(&self, method: &Method, path: &str) -> Result<Target, String>;

    /// Where fences keep such a request out.
    ///
    /// # Errors
    /// No client is called so.
    fn fences(&self, request: &Fenced<'_>) -> Result<Fences, UnknownClient>;

    /// Whether the region serves the deployment of this name.
    fn serves(&self, region: RegionId, deployment: &str) -> bool;

    /// Whether a region that is out is asked rather than none.
    fn last_resort(&self) -> bool;
}

/// What a request's path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The label of the operation.
    pub operation: &'static str,
    /// What a region would lack that does not have it.
    pub lack: Lack,
    /// The deployment, if the path names one.
    pub deployment: Option<String>,
    /// Whether it may leave something behind in its region.
    pub creates_state: bool,
}

/// A request, as far as fences go by it.
#[derive(Clone, Copy, Debug)]
pub struct Fenced<'a> {
    /// The client who sends it, by its name; `None`: nobody in particular.
    pub client: Option<&'a str>,
    /// How it is sent.
    pub method: &'a Method,
    /// Where to, with or without a query.
    pub path: &'a str,
    /// The deployment that it names, in the path or elsewhere.
    pub deployment: Option<&'a str>,
}

/// Where fences keep a request out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fences {
    /// Regions that it does not go to, each with the key of the fence in the file.
    pub kept_out: Vec<(RegionId, String)>,
    /// The clients that there are, if none is named: then no fence of theirs is asked.
    pub unasked: Vec<String>,
}

/// No client is called so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownClient {
    /// All that there are.
    pub known: Vec<String>,
}

/// What is known of the process itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Number of the configuration in force, from 1.
    pub generation: u64,
    /// When it was put in force, in milliseconds since 1970.
    pub loaded_at_unix_ms: u64,
    /// Why the newest file is not in force; `None`: it is.
    pub last_reload_error: Option<String>,
    /// Keys that differ from those in force until a restart.
    pub restart_needed: Vec<String>,
    /// The labels of the API's operations, by the number that a [`Lack`](nearway_route::Lack) gives
    /// them.
    pub operations: Vec<&'static str>,
    /// Of the program.
    pub version: String,
    /// When the process began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// When readiness stops waiting for the first round of probes.
    pub first_round_deadline: Moment,
    /// Each region was probed once.
    pub first_round_done: bool,
    /// The process is about to end.
    pub draining: bool,
}

impl App {
    pub(crate) fn now(&self) -> Moment {
        (self.clock)()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
