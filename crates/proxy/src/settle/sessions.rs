//! Requests that become sessions: no answer follows but a connection, for as long as both sides like.

use nearway_telemetry::{RequestOutcome, TunnelEnd};

use super::Settle;

impl Settle {
    /// The region has switched protocols. Its session is in flight until it ends, and how long that takes
    /// teaches nothing: the answer is here.
    pub(crate) fn tunnels(&mut self) {
        self.unlike = true;
        self.ended = Some(self.shared.clock.now());
        if let Some(attempt) = &mut self.current {
            attempt.pends_no_more();
        }
    }

    /// The session has asked for something, in so many bytes: from here on it is a request like others.
    pub(crate) fn asks(&mut self, bytes: u64) {
        self.received = self.shared.clock.now();
        self.bytes_in = bytes;
    }

    /// The session is over. Only what breaks in the region is held against it.
    pub(crate) fn tunnel_ended(&mut self, end: TunnelEnd) {
        self.shared.metrics.tunnel_ended(end);
        match end {
            TunnelEnd::Closed | TunnelEnd::HalfOpen | TunnelEnd::Idle | TunnelEnd::Expired => {
                self.finish(RequestOutcome::Ok);
            }
            TunnelEnd::ClientLost => self.finish(RequestOutcome::ClientGone),
            TunnelEnd::RegionLost => self.finish(RequestOutcome::Truncated),
            // the account knows of that
            TunnelEnd::Drain => {}
        }
    }
}
