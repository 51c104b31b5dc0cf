//! The prober against regions that answer as scripted, on a paused clock.
//!
//! Time only moves when every task waits, so each test says exactly what happens when.

#[cfg(test)]
mod adaptive;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod reachability;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod table;
