//! What went wrong with one attempt, classified once where it happened.
//!
//! Retry, cool-down, metrics and the error that a client sees all read this value and nothing else
//! (DESIGN "Units of truth"). It quotes no header and no body, so it may be logged as it is.

use std::fmt;

/// One attempt at one region that brought no usable response.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Fault {
    /// What failed.
    pub kind: FaultKind,
    /// How much of the request had left this process.
    pub sent: Sent,
    /// How much of an answer had come back.
    pub returned: Returned,
    /// Whether the connection had served an earlier request: if so, and nothing came back, it may
    /// just have been closed by the other side at the same moment.
    pub reused: bool,
    /// For the log and the error text: what exactly, in a few words.
    pub detail: String,
}

/// What failed; a closed set, so that it can label metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// This process or machine lacks a descriptor, a port or memory to ask any region.
    Local,
    /// The region's name does not resolve.
    Dns,
    /// No TCP connection (refused, unreachable).
    Connect,
    /// The name not resolved or no TCP connection within the connect timeout.
    ConnectTimeout,
    /// The TLS handshake failed (certificate, name, protocol).
    Tls,
    /// No TLS session in time on an open connection.
    TlsTimeout,
    /// The region took no byte of the request in time.
    WriteTimeout,
    /// The connection ended before a response head.
    Reset,
    /// The region answered something that is not HTTP.
    Malformed,
    /// No response head in time.
    HeadTimeout,
    /// No first event of a stream in time.
    FirstTokenTimeout,
    /// A response body paused for longer than the idle timeout.
    IdleTimeout,
    /// The whole exchange took longer than allowed.
    TotalTimeout,
    /// The response body ended early or broke its framing.
    Truncated,
    /// 401 or 403.
    Unauthorized,
    /// 404 `DeploymentNotFound` and its kin.
    MissingDeployment,
    /// 429.
    Throttled,
    /// 408, 424 or any 5xx.
    ServerError,
    /// 400: the input is longer than this deployment, a provisioned one, takes.
    ContextLength,
    /// 400 or 404: it does not know an object that the request names, which lives elsewhere.
    UnknownObject,
    /// Any other status that is not a success.
    Rejected,
    /// The client's own body failed or stalled.
    ClientBody,
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client: nobody else is marked for it.
    Client,
    /// The region as a whole: name, network, certificate, credential.
    Region,
    /// One deployment of the region: quota, absence, model errors.
    Deployment,
    /// Nearway itself, or the machine that it runs on: no region is marked for it.
    Nearway,
    /// Nobody: the time ran out over several attempts.
    Nobody,
}

/// How much of the request had left when the fault came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Surely nothing: any request may go again.
    Nothing,
    /// At least one byte, and not surely all: the region may have acted, though it has hardly seen
    /// the whole request. Over HTTP/2 it may also be all, since hyper does not tell.
    Part,
    /// The whole request: the region may well be at work on it.
    All,
}

/// How much of an answer had come back when the fault came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// No response head; interim answers (1xx) and half a head are nothing yet.
    Nothing,
    /// A response head, and no byte of its body was looked at.
    Head,
    /// At least one byte of a response body.
    Body,
}

impl FaultKind {
    /// Label of metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::TlsTimeout => "tls_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::Reset => "reset",
            Self::Malformed => "malformed",
            Self::HeadTimeout => "head_timeout",
            Self::FirstTokenTimeout => "first_token_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Truncated => "truncated",
            Self::Unauthorized => "unauthorized",
            Self::MissingDeployment => "missing_deployment",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::ContextLength => "context_length",
            Self::UnknownObject => "unknown_object",
            Self::Rejected => "rejected",
            Self::ClientBody => "client_body",
        }
    }

    /// Who is to blame (DESIGN "Units of truth").
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::ClientBody | Self::ContextLength | Self::UnknownObject | Self::Rejected => {
                Side::Client
            }
            Self::Local => Side::Nearway,
            Self::TotalTimeout => Side::Nobody,
            Self::Throttled
            | Self::MissingDeployment
            | Self::ServerError
            | Self::FirstTokenTimeout => Side::Deployment,
            Self::Dns
            | Self::Connect
            | Self::ConnectTimeout
            | Self::Tls
            | Self::TlsTimeout
            | Self::WriteTimeout
            | Self::Reset
            | Self::Malformed
            | Self::HeadTimeout
            | Self::IdleTimeout
            | Self::Truncated
            | Self::Unauthorized => Side::Region,
        }
    }

    /// Whether time ran out, rather than something breaking.
    #[must_use]
    pub fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout
                | Self::TlsTimeout
                | Self::WriteTimeout
                | Self::HeadTimeout
                | Self::FirstTokenTimeout
                | Self::IdleTimeout
                | Self::TotalTimeout
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Fault {
    /// A fault from before any byte left.
    #[must_use]
    pub fn unsent(kind: FaultKind, detail: impl Into<String>) -> Self {
        let (sent, returned) = (Sent::Nothing, Returned::Nothing);
        Self { kind, sent, returned, reused: false, detail: detail.into() }
    }

    /// A complete response whose status counts as a failure; `None` for one that does not.
    ///
    /// The mapping is that of API fact sheet 4.3; whether to try elsewhere is the caller's decision.
    /// The request counts as sent: a region that answers early has seen what it wants of it.
    #[must_use]
    pub fn from_status(status: http::StatusCode) -> Option<Self> {
        let kind = match status.as_u16() {
            100..=399 => return None,
            401 | 403 => FaultKind::Unauthorized,
            429 => FaultKind::Throttled,
            408 | 424 | 500..=599 => FaultKind::ServerError,
            _ => FaultKind::Rejected,
        };
        Some(Self {
            kind,
            sent: Sent::All,
            returned: Returned::Head,
            reused: false,
            detail: format!("answered {}", status.as_u16()),
        })
    }

    /// What hyper reports of an exchange on an open connection.
    pub(crate) fn from_hyper(error: &hyper::Error, sent: Sent, reused: bool) -> Self {
        let kind = if error.is_parse() || error.is_parse_too_large() {
            FaultKind::Malformed
        } else if error.is_user() {
            FaultKind::ClientBody
        } else {
            FaultKind::Reset
        };
        Self { kind, sent, returned: Returned::Nothing, reused, detail: innermost(error) }
    }
}

/// The last cause in a chain says the most: "connection reset by peer", not "connection error".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn statuses_map_to_kinds() {
        let cases = [
            (200, None),
            (304, None),
            (400, Some(FaultKind::Rejected)),
            (401, Some(FaultKind::Unauthorized)),
            (404, Some(FaultKind::Rejected)),
            (408, Some(FaultKind::ServerError)),
            (424, Some(FaultKind::ServerError)),
            (429, Some(FaultKind::Throttled)),
            (503, Some(FaultKind::ServerError)),
        ];
        for (status, kind) in cases {
            let fault = Fault::from_status(StatusCode::from_u16(status).unwrap());
            assert_eq!(fault.map(|f| f.kind), kind, "{status}");
        }
    }

    #[test]
    fn a_clients_mistake_is_nobody_elses() {
        assert_eq!(FaultKind::Rejected.side(), Side::Client);
        assert_eq!(FaultKind::Throttled.side(), Side::Deployment);
        assert_eq!(FaultKind::Tls.side(), Side::Region);
        assert_eq!(FaultKind::Local.side(), Side::Nearway);
        assert_eq!(FaultKind::TotalTimeout.side(), Side::Nobody);
    }

    #[test]
    fn a_timeout_says_so_in_its_label() {
        use FaultKind::{
            Connect, ConnectTimeout, Dns, FirstTokenTimeout, HeadTimeout, IdleTimeout, Local,
            Malformed, Reset, ServerError, Throttled, Tls, TlsTimeout, TotalTimeout, Truncated,
            WriteTimeout,
        };
        let timeouts = [
            ConnectTimeout,
            TlsTimeout,
            WriteTimeout,
            HeadTimeout,
            FirstTokenTimeout,
            IdleTimeout,
            TotalTimeout,
        ];
        let others =
            [Local, Dns, Connect, Tls, Reset, Malformed, Truncated, Throttled, ServerError];
        for kind in timeouts.into_iter().chain(others) {
            assert_eq!(kind.is_timeout(), kind.as_str().ends_with("_timeout"), "{kind}");
        }
        assert_eq!(WriteTimeout.side(), Side::Region);
        assert_eq!(TlsTimeout.side(), Side::Region);
    }
}
