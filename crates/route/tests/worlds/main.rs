//! How near the ranking comes to an oracle that knows every region's expected time at each instant:
//! scripted and random worlds in virtual time, driven through the crate's API as the proxy does.
//!
//! One probe interval is a second in most worlds. Nothing waits: the same seed gives the same requests, times and faults to whoever chooses.

#[cfg(test)]
mod adaptive;
#[cfg(test)]
mod bars;
#[cfg(test)]
mod chance;
#[cfg(test)]
mod chooser;
#[cfg(test)]
mod herding;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reaction;
#[cfg(test)]
mod region;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tally;
#[cfg(test)]
mod world;
