//! Which region is best, from numbers only: no sockets, no runtime, no clock, no environment.
//!
//! Samples go into a [`Ranker`] (the prober owns it, the only writer); it gives out an immutable
//! [`Table`] that is published whole through [`Live`]; a request asks the table for its
//! [`Ranking`] and walks it with a [`Plan`]. What must act on the very next request (cool-downs,
//! the circuit [`Breaker`], requests in flight) lives in the [`Vitals`] that every table shares, and
//! amounts to one [`Condition`] per region.
//!
//! A measurement reads: `sample -> window -> health, score -> rank -> hysteresis -> table -> live`.
//!
//! ```
//! use std::time::Duration;
//! use nearway_route::{
//!     Asked, DeploymentSet, Lack, Moment, Outcome, Plan, RankBy, Ranker, RegionId, RegionSpec,
//!     RoutingSettings, Sample, Source, Strategy, Switch,
//! };
//!
//! let ms = Duration::from_millis;
//! let settings = RoutingSettings {
//!     strategy: Strategy::Average,
//!     rank_by: RankBy::FirstToken,
//!     window: ms(300_000),
//!     switch: Switch { percent: 15.0, at_least: ms(10), hold: ms(30_000) },
//!     probe_interval: ms(30_000),
//!     probe_timeout: ms(10_000),
//!     stale_after: ms(90_000),
//! };
//! let region = |id, name: &str| RegionSpec {
//!     id: RegionId(id),
//!     name: name.into(),
//!     tier: 0,
//!     zone: None,
//!     deployments: DeploymentSet::All,
//! };
//! let regions = vec![region(0, "eastus"), region(1, "swedencentral")];
//! let mut ranker = Ranker::new(settings, 1, regions, vec!["gpt-4o".into()]);
//!
//! let now = Moment::ZERO + ms(500);
//! for (id, first_token) in [(0, 240), (1, 90)] {
//!     let outcome = Outcome::Answer { first_token: Some(ms(first_token)), total: ms(400), tokens: 5 };
//!     let sample = Sample { at: now, source: Source::Probe, asked: Asked::probe(0), outcome };
//!     ranker.observe(RegionId(id), Some("gpt-4o"), sample);
//! }
//! let table = ranker.rank(now).table;
//!
//! let ranking = table.ranking(Some("gpt-4o"));
//! let mut plan = Plan::new(Lack::DEPLOYMENT, true);
//! let first = plan.next(ranking, now, |_| true).map(|entry| &*entry.name);
//! assert_eq!(first, Some("swedencentral"));
//! ```

mod allowance;
mod backoff;
mod breaker;
mod choice;
mod condition;
mod contest;
mod cooldown;
mod cost;
mod curiosity;
mod deadline;
mod estimate;
mod health;
mod history;
mod homes;
mod hysteresis;
mod knowledge;
mod lack;
mod live;
mod member;
mod mix;
mod moment;
mod pending;
mod plan;
mod rank;
mod ranker;
mod recent;
mod refusals;
mod region;
mod remembered;
mod retry_budget;
mod sample;
mod score;
mod settings;
mod shape;
mod silence;
mod spread;
mod table;
mod track;
mod traffic;
mod verdict;
mod vitals;
mod window;

pub use backoff::Backoff;
pub use breaker::{Breaker, BreakerSettings, BreakerState, Failure};
pub use choice::{Home, Why};
pub use condition::Condition;
pub use contest::LeaderChange;
pub use cooldown::Cooldown;
pub use cost::{Cost, Wait};
pub use estimate::{Circumstances, Estimate, Expected};
pub use health::State;
pub use history::MAX_CHANGES;
pub use homes::{Homes, Kin};
pub use knowledge::Known;
pub use lack::{Lack, MAX_OPERATIONS};
pub use live::{Live, Reader};
pub use mix::Typical;
pub use moment::Moment;
pub use pending::{Evidence, Pends};
pub use plan::{MAX_TRIED, Plan};
pub use ranker::{ProbeDue, Published, Ranker};
pub use region::{DeploymentSet, RegionId, RegionSpec};
pub use remembered::{Learned, Remembered};
pub use retry_budget::{RetryBudget, RetryBudgetSettings};
pub use sample::{Asked, Measured, Outcome, Sample, Source};
pub use settings::{RankBy, RoutingSettings, Strategy, Switch};
pub use shape::{Class, Shape};
pub use silence::{Awaited, Waiting};
pub use spread::Spread;
pub use table::{Entry, LastError, Lead, OTHER, Ranking, Table};
pub use track::LiveTally;
pub use traffic::Traffic;
pub use verdict::Verdict;
pub use vitals::{InFlight, Vitals};
pub use window::MAX_SAMPLES;
