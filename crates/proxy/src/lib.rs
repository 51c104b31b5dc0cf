//! One client request, from accept to last byte.
//!
//! A worker is one thread with a runtime of its own: it calls [`serve`], and no request ever leaves
//! it. The steps of a request are in the order of `handle.rs`. Ranking happens elsewhere: this crate
//! reads the route table and reports what it saw.

mod admit;
mod affinity;
mod attempt;
mod attempted;
mod authenticate;
mod belong;
mod between;
mod budgets;
mod cached_share;
mod choose;
mod client_body;
mod client_io;
mod connection;
mod ephemeral;
mod farewell;
mod fences;
mod first_answer;
mod greet;
mod handle;
mod hold_body;
mod hold_first;
mod identify;
mod learn;
mod leave;
mod listen;
mod lists;
mod opening;
mod pass;
mod race;
mod refuse;
mod relay;
mod replay_headers;
mod report;
mod retry;
mod say_when;
mod settings;
mod settle;
mod shape;
mod stream_end;
mod tunnel;
mod worker;

pub use affinity::{Affinity, AffinitySettings};
pub use client_body::ClientBody;
pub use fences::{Client, Clients, Fences, KeptOut, Places, Rule, Uses};
pub use identify::SESSIONS;
pub use listen::serve;
pub use refuse::{Bound, Refusal, Tried};
pub use relay::RelayError;
pub use report::Report;
pub use settings::{Settings, StateSettings, Target, Timeouts};
pub use worker::Worker;
