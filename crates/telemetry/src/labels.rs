//! The label values that Nearway itself coins: closed enums, never a client's text.
//!
//! The handles index an array by the variant, so a counter is reached without a lookup. Region and
//! deployment labels are the configured names; whatever else a client asks for is [`OTHER`].

/// The `deployment` label of a name that is not configured, and of a reason beyond the bound.
pub const OTHER: &str = "other";

/// The `deployment` label of what belongs to a region as a whole.
pub const ALL_DEPLOYMENTS: &str = "all";

/// The `region` label of a request that no region was chosen for.
pub const NO_REGION: &str = "none";

/// The `client` label of a request that carries no known key.
pub const NO_CLIENT: &str = "none";

/// Declares a fieldless enum with `ALL` in the order of its variants, and the label of each.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every variant, at the index that `as usize` gives.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The label value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

labels! {
    /// How a client's request ended.
    RequestOutcome {
        /// A status below 400, delivered to its last byte.
        Ok = "ok",
        /// The region's 4xx (but not 429), passed on: the client earned it.
        ClientError = "client_error",
        /// A 429 that reached the client.
        Throttled = "throttled",
        /// The region's 5xx, passed on.
        ServerError = "server_error",
        /// No region gave an answer: connect, TLS, timeout, reset, nonsense.
        UpstreamFault = "upstream_fault",
        /// The answer had begun and the region cut it.
        Truncated = "truncated",
        /// The answer was 200, and the stream in it ended in an error of the region's.
        FailedStream = "failed_stream",
        /// The client left before the end.
        ClientGone = "client_gone",
        /// The process was told to stop, and the request had not ended when its time to drain had.
        DrainTimeout = "drain_timeout",
        /// Nearway said no before a region was asked.
        Refused = "refused",
    }
}

impl RequestOutcome {
    /// The outcome of an answer that was delivered to its last byte with this status.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            ..400 => Self::Ok,
            429 => Self::Throttled,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

labels! {
    /// Why a tunnel ended: a WebSocket, or whatever else a connection was switched to.
    TunnelEnd {
        /// Both sides have ended it.
        Closed = "closed",
        /// One side has, and the other one did not follow in time.
        HalfOpen = "half_open",
        /// No byte passed for too long.
        Idle = "idle",
        /// It lasted as long as one may.
        Expired = "expired",
        /// The connection to the client broke.
        ClientLost = "client_lost",
        /// The connection to the region broke.
        RegionLost = "region_lost",
        /// The process was told to stop, and its time to drain was over.
        Drain = "drain",
    }
}

labels! {
    /// Why a request's body was not kept for another attempt.
    NotKept {
        /// It is longer than one body may be.
        RequestLimit = "request_limit",
        /// All bodies together have reached their limit.
        TotalBudget = "total_budget",
    }
}

labels! {
    /// The states of a (region, deployment) in the route table.
    RouteState {
        /// Measured lately.
        Fresh = "fresh",
        /// Measured, but too long ago to trust.
        Stale = "stale",
        /// Not measured yet.
        Unknown = "unknown",
        /// Failing.
        Down = "down",
    }
}

labels! {
    /// Where a circuit breaker stands, from best to worst.
    RouteBreaker {
        /// Requests pass.
        Closed = "closed",
        /// A trial was answered: a growing share passes.
        Returning = "returning",
        /// One request at a time may try.
        HalfOpen = "half_open",
        /// None pass.
        Open = "open",
    }
}

labels! {
    /// How fit a (region, deployment) is for the next request, from best to worst.
    RouteCondition {
        /// Nothing speaks against it.
        Good = "good",
        /// Little of its quota is left.
        NearlySpent = "nearly_spent",
        /// It failed, and some requests try it again.
        Recovering = "recovering",
        /// Requests wait there and none is answered.
        Silent = "silent",
        /// It asked to be left alone for a while.
        Cooled = "cooled",
        /// Its newest probe failed.
        Down = "down",
        /// Clients' requests fail there.
        Open = "open",
        /// It refuses the key that is configured for it.
        Unauthorized = "unauthorized",
        /// It does not have the deployment.
        Lacking = "lacking",
    }
}

labels! {
    /// What became of a second attempt beside one that was late.
    HedgeEvent {
        /// It was sent.
        Started = "started",
        /// It answered first.
        Won = "won",
        /// The first one did.
        Wasted = "wasted",
        /// It was not sent: that would have been beyond the budget. Once for each request.
        Refused = "refused",
    }
}

labels! {
    /// Where a request that belongs to others was answered.
    AffinityResult {
        /// Where they were: the region has their prompt in its cache.
        Kept = "kept",
        /// Elsewhere: that region was too slow, or could not serve it.
        Moved = "moved",
        /// It is the first of them, or the first for long.
        New = "new",
    }
}

labels! {
    /// What an answer taught of an object's id.
    Learning {
        /// Its region was not known.
        New = "new",
        /// It was.
        Known = "known",
        /// It was another one.
        Moved = "moved",
    }
}

labels! {
    /// What is known of the objects that a request names.
    Lookup {
        /// The region they live in.
        Hit = "hit",
        /// Nothing: the regions are asked.
        Unknown = "unknown",
        /// No region knew them of late.
        Nobody = "nobody",
        /// They live in several.
        Conflict = "conflict",
    }
}

labels! {
    /// How a search for an object ended.
    Search {
        /// A region knew it.
        Found = "found",
        /// None of them does.
        Nobody = "nobody",
        /// None of those that could be asked does, and not all could.
        Failed = "failed",
    }
}

labels! {
    /// What a probe's tokens were.
    TokenKind {
        /// Tokens of the question.
        Prompt = "prompt",
        /// Tokens of the answer, hidden reasoning included.
        Completion = "completion",
    }
}

labels! {
    /// Why a round of the interval went by without a probe.
    ProbeSkip {
        /// A client's request, or a probe, was answered within the interval.
        Fresh = "fresh",
        /// The region is far from the best.
        Far = "far",
        /// It asked to be left alone, or failed in a way that lasts.
        Rest = "rest",
        /// `probe.tokens_per_day` is spent ahead.
        Budget = "budget",
        /// Probes would take more than their share of the region's own limits.
        Quota = "quota",
    }
}

labels! {
    /// What became of a changed configuration file.
    ReloadResult {
        /// It is in force.
        Applied = "applied",
        /// It was wrong; the one before stays in force.
        Rejected = "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_variant_is_its_index() {
        for (index, outcome) in RequestOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        assert_eq!(RouteState::ALL.map(RouteState::as_str), ["fresh", "stale", "unknown", "down"]);
    }

    #[test]
    fn a_status_has_one_outcome() {
        let cases = [
            (101, RequestOutcome::Ok),
            (200, RequestOutcome::Ok),
            (304, RequestOutcome::Ok),
            (400, RequestOutcome::ClientError),
            (428, RequestOutcome::ClientError),
            (429, RequestOutcome::Throttled),
            (499, RequestOutcome::ClientError),
            (500, RequestOutcome::ServerError),
            (503, RequestOutcome::ServerError),
        ];
        for (status, outcome) in cases {
            assert_eq!(RequestOutcome::of_status(status), outcome, "{status}");
        }
    }
}
