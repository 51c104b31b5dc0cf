//! Tiny completions on a timetable, into the route table.
//!
//! A [`Prober`] runs on the control thread: it probes every region, takes in what the workers
//! report, ranks, and publishes the table that requests follow. [`one_round`] makes a single round
//! for a command. Regions are spoken to through [`nearway_upstream::Transport`]; which of them is
//! best is decided in `nearway_route`, what bytes mean in `nearway_wire`.
//!
//! A measurement reads: `demand -> timetable -> attempt -> answer -> verdict -> ranker -> live`.

mod answer;
mod attempt;
mod budget;
mod demand;
#[cfg(test)]
mod fakes;
mod memory;
mod round;
mod run;
mod settings;
mod standings;
mod timetable;
mod verdict;

pub use round::{RegionRound, one_round};
pub use run::{Channels, Outputs, Prober, Report};
pub use settings::{Settings, Target, initial_table, resumed_table};
pub use verdict::prompt_tokens;
