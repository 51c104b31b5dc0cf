//! A worker's pool against regions on loopback sockets, which do what no good region does.
//!
//! Each module is declared under `cfg(test)`, which is what lets its helpers panic.

#[cfg(test)]
mod connecting;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod http2;
