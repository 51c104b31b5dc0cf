//! One worker between raw clients and raw regions: every test sees the bytes that crossed the wire.
//!
//! Each module is declared under `cfg(test)`, which is what lets its helpers panic.

#[cfg(test)]
mod affinity;
#[cfg(test)]
mod authenticate;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bound;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod early;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod fences;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hedge;
#[cfg(test)]
mod hold_first;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod interim;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod patience;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod rescue;
#[cfg(test)]
mod rests;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod silent;
#[cfg(test)]
mod smuggle;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod tiers;
#[cfg(test)]
mod upgrade;
