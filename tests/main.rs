//! The product as a whole, and the workspace: one module per subject, all in one binary so that they
//! link once.
//!
//! Each module is declared under `cfg(test)`, which is what lets its helpers panic.

#[cfg(test)]
mod affinity;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod fault_load;
#[cfg(test)]
mod fault_row;
#[cfg(test)]
mod fault_scene;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod faults_hold;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod http2_region;
#[cfg(test)]
mod owners;
#[cfg(test)]
#[path = "../crates/proxy/tests/wire/raw.rs"]
#[expect(dead_code, reason = "the tests of the proxy use the rest of it")]
mod raw;
#[cfg(test)]
mod realtime;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod responses_socket;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod seen_from_outside;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod tls;
