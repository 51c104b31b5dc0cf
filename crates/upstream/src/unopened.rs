//! Why no connection came about, and whether that is this machine's own doing.
//!
//! A process without a descriptor left can connect to no region; to hold that against each of them
//! would leave none.

use std::io;

use crate::{Fault, FaultKind};

/// What stood in the way of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Unopened {
    /// Whose address or name, and what happened.
    detail: String,
    /// This process or machine lacks something, whatever the region does.
    is_local: bool,
}

impl Unopened {
    /// The system's error on the way to `whom`.
    pub(crate) fn new(whom: impl std::fmt::Display, error: &io::Error) -> Self {
        match remedy(error) {
            Some(remedy) => Self { detail: format!("{whom}: {error}: {remedy}"), is_local: true },
            None => Self { detail: format!("{whom}: {error}"), is_local: false },
        }
    }

    /// Nothing of the system's.
    pub(crate) fn because(detail: String) -> Self {
        Self { detail, is_local: false }
    }

    /// Whether it is this machine's own doing.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Its fault; of this `kind` unless it is this machine's.
    pub(crate) fn fault(self, kind: FaultKind) -> Fault {
        Fault::unsent(if self.is_local { FaultKind::Local } else { kind }, self.detail)
    }
}

/// What to do about an error that is this machine's own; `None` for any other.
fn remedy(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => return Some(MORE_PORTS),
        io::ErrorKind::OutOfMemory => return Some(MORE_MEMORY),
        _ => {}
    }
    match error.raw_os_error()? {
        ENFILE | EMFILE => Some(MORE_FILES),
        ENOBUFS => Some(MORE_MEMORY),
        _ => None,
    }
}

// the standard library has no kind for these
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
#[cfg(target_os = "linux")]
const ENOBUFS: i32 = 105;
#[cfg(not(target_os = "linux"))]
const ENOBUFS: i32 = 55;

const MORE_FILES: &str = "raise the limit on open files (ulimit -n, LimitNOFILE)";
const MORE_PORTS: &str =
    "no local address or port is left for it: widen net.ipv4.ip_local_port_range";
const MORE_MEMORY: &str = "the system has no memory left for a socket";

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_this_machine_lacks_is_told_from_what_a_region_does() {
        let cases = [
            (12, Some(MORE_MEMORY)),
            (ENFILE, Some(MORE_FILES)),
            (EMFILE, Some(MORE_FILES)),
            (99, Some(MORE_PORTS)),
            (ENOBUFS, Some(MORE_MEMORY)),
            // EACCES, ENETUNREACH, ECONNRESET, ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH
            (13, None),
            (101, None),
            (104, None),
            (110, None),
            (111, None),
            (113, None),
        ];
        for (code, remedy) in cases {
            let error = io::Error::from_raw_os_error(code);
            let fault = Unopened::new("10.0.0.1:443", &error).fault(FaultKind::Connect);
            let expected = remedy.map_or(FaultKind::Connect, |_| FaultKind::Local);
            assert_eq!(fault.kind, expected, "{code}");
            assert!(fault.detail.starts_with("10.0.0.1:443: "), "{fault}");
            assert!(fault.detail.ends_with(remedy.unwrap_or(")")), "{fault}");
        }
        let error = io::Error::from(io::ErrorKind::NotFound);
        assert!(!Unopened::new("any", &error).is_local());
    }
}
