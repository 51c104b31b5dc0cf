//! Every default and every range, each with its reason. The example file shows the same values, and
//! a test holds them together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::fence::DeploymentType;
use crate::model::{AffinityMode, AuthHeader, Lists, LogFormat, ProbeStyle, RankBy, Strategy};
use crate::units::{Bounded, Bytes};

/// Loopback: whoever opens the listener to others decides so.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Loopback: it tells region names and latencies to whoever asks.
pub(crate) const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
/// Left out, one a core; the value here is only the example in an error. More than the cores of the
/// largest machine is a slip.
pub(crate) const WORKERS: Bounded<u32> = Bounded { default: 2, least: 1, most: 1024 };

/// What Azure takes; OpenAI and its likes want `bearer`.
pub(crate) const AUTH_HEADER: AuthHeader = AuthHeader::ApiKey;
/// What processes in its own region, as the name of a region promises.
pub(crate) const DEPLOYMENT_TYPE: DeploymentType = DeploymentType::Standard;
/// All regions alike.
pub(crate) const TIER: Bounded<u32> = Bounded { default: 0, least: 0, most: 100 };
/// Many HTTP/1.1 connections spread over a region's front ends, one HTTP/2 connection does not (API
/// fact sheet section 11.2).
pub(crate) const HTTP2: bool = false;

/// The product's home; the two others need no api-version.
pub(crate) const PROBE_STYLE: ProbeStyle = ProbeStyle::Azure;
/// The newest dated version that is not a preview.
pub(crate) const API_VERSION: &str = "2024-10-21";
/// Three samples of ten tokens each half minute cost cents a day (API fact sheet section 8.3); below
/// a second a probe would crowd out the traffic it is for.
pub(crate) const INTERVAL: Bounded<Duration> = Bounded {
    default: Duration::from_secs(30),
    least: Duration::from_secs(1),
    most: Duration::from_secs(24 * 3600),
};
/// Enough that replicas drift apart; more than half would make rounds meet.
pub(crate) const JITTER: Bounded<f64> = Bounded { default: 0.1, least: 0.0, most: 0.5 };
/// Ten times what a slow region takes for ten tokens.
pub(crate) const PROBE_TIMEOUT: Bounded<Duration> = Bounded {
    default: Duration::from_secs(10),
    least: Duration::from_millis(100),
    most: Duration::from_secs(300),
};
/// With `average`, what the product was asked for: one outlier does not decide, and the cost stays
/// small.
pub(crate) const SAMPLES: Bounded<u32> = Bounded { default: 3, least: 1, most: 20 };
/// With `adaptive`: the estimate weighs what it saw before, and asks again by itself when surprised.
const SAMPLES_ADAPTIVE: u32 = 1;
/// Harmless: a prompt that a content filter refuses is billed all the same.
pub(crate) const PROMPT: &str = "Hello";
/// With `average`, enough to see tokens flow. Azure counts the maximum against the quota, used or not
/// (API fact sheet section 8.4).
pub(crate) const MAX_TOKENS: Bounded<u32> = Bounded { default: 10, least: 1, most: 256 };
/// With `adaptive`: what is compared ends with the first token, and clients' streams show the rest.
const MAX_TOKENS_ADAPTIVE: u32 = 1;
/// Left out, no budget: the interval bounds the cost, and what a token is worth depends on the model.
/// The value here is only the example in an error: a 1-token probe every two minutes. Below the least
/// a reasoning model's probe comes less than twice a day.
pub(crate) const TOKENS_PER_DAY: Bounded<u32> =
    Bounded { default: 10_000, least: 100, most: 1_000_000_000 };
/// Requests tell the same of every region that has traffic; a check needs no token, but it is one
/// request more that shows in a region's logs.
pub(crate) const REACHABILITY: bool = false;
/// Dollars for a million tokens; the value here is only the example in an error.
pub(crate) const PRICE: Bounded<f64> = Bounded { default: 2.5, least: 0.0, most: 100_000.0 };

/// [`SAMPLES`], as the strategy wants it.
pub(crate) const fn samples(strategy: Strategy) -> u32 {
    match strategy {
        Strategy::Average => SAMPLES.default,
        Strategy::Adaptive => SAMPLES_ADAPTIVE,
    }
}

/// [`MAX_TOKENS`], as the strategy wants it.
pub(crate) const fn max_tokens(strategy: Strategy) -> u32 {
    match strategy {
        Strategy::Average => MAX_TOKENS.default,
        Strategy::Adaptive => MAX_TOKENS_ADAPTIVE,
    }
}

/// What comes nearest to always knowing the fastest region, as `make bench-routing` measures.
pub(crate) const STRATEGY: Strategy = Strategy::Adaptive;
/// Total time measures the length of the answer, not the region.
pub(crate) const RANK_BY: RankBy = RankBy::FirstToken;
/// Left out, it follows the interval, see [`window`]; the value here is that of the default interval.
pub(crate) const WINDOW: Bounded<Duration> = Bounded {
    default: Duration::from_secs(45),
    least: Duration::from_secs(1),
    most: Duration::from_secs(24 * 3600),
};

/// The window that fits an interval: one and a half. Two rounds after a change nothing older counts,
/// so that traffic follows within two intervals whichever region became faster or slower; a longer
/// window is calmer and later.
pub(crate) fn window(interval: Duration) -> Duration {
    (interval + interval / 2).min(WINDOW.most)
}
/// 250 against 300 ms is not worth a move, with all that a move costs: caches, calm.
pub(crate) const SWITCH_PERCENT: Bounded<f64> = Bounded { default: 20.0, least: 0.0, most: 100.0 };
/// 5 against 12 ms passes the percentage, and nobody feels it.
pub(crate) const SWITCH_AT_LEAST: Bounded<Duration> = Bounded {
    default: Duration::from_millis(10),
    least: Duration::ZERO,
    most: Duration::from_secs(60),
};
/// One probe interval: a leader is seen at work before it can be replaced.
pub(crate) const SWITCH_HOLD: Bounded<Duration> = Bounded {
    default: Duration::from_secs(30),
    least: Duration::ZERO,
    most: Duration::from_secs(24 * 3600),
};

/// A prompt that is in a region's cache is answered sooner and costs a half or less, and regions share no
/// cache (API fact sheet section 10).
pub(crate) const AFFINITY: AffinityMode = AffinityMode::Prefix;
/// The caches hold no shorter ones (API fact sheet section 10); below the least there is no beginning to
/// compare.
pub(crate) const AFFINITY_FROM: Bounded<u32> =
    Bounded { default: 1024, least: 256, most: 1_000_000 };
/// About what a model takes to read as many tokens that it has not cached: 26,000 characters are answered
/// after 900 ms, a few after 500 (API fact sheet section 10).
pub(crate) const AFFINITY_BOUND: Bounded<Duration> = Bounded {
    default: Duration::from_millis(50),
    least: Duration::ZERO,
    most: Duration::from_secs(10),
};
/// People wait for no more than that whatever it saves; twenty thousand tokens have it all.
pub(crate) const AFFINITY_BOUND_MAX: Bounded<Duration> = Bounded {
    default: Duration::from_secs(1),
    least: Duration::ZERO,
    most: Duration::from_secs(60),
};
/// What is idle for longer is mostly gone from the caches (API fact sheet section 10). The most is what is
/// told from a longer time ago.
pub(crate) const AFFINITY_TTL: Bounded<Duration> = Bounded {
    default: Duration::from_secs(600),
    least: Duration::from_secs(1),
    most: Duration::from_secs(12 * 3600),
};

/// A month of four thousand stored responses a day, with their items; 16 MiB. The most is a gigabyte.
pub(crate) const STATE_ENTRIES: Bounded<u32> =
    Bounded { default: 1 << 20, least: 1 << 10, most: 1 << 26 };
/// As long as responses are kept (API fact sheet section 6); files in use are asked for more often.
pub(crate) const STATE_TTL: Bounded<Duration> = Bounded {
    default: Duration::from_secs(30 * 24 * 3600),
    least: Duration::from_secs(60),
    most: Duration::from_secs(366 * 24 * 3600),
};
/// Whoever polls for an object that is gone asks again within seconds; one that another way has made is
/// found soon enough.
pub(crate) const STATE_UNKNOWN_FOR: Bounded<Duration> = Bounded {
    default: Duration::from_secs(30),
    least: Duration::ZERO,
    most: Duration::from_secs(3600),
};
/// One request, and the pages of one region.
pub(crate) const STATE_LISTS: Lists = Lists::Home;

/// The three regions of the field; with more, a request that fails three times meets a fault of all.
pub(crate) const ATTEMPTS: Bounded<u32> = Bounded { default: 3, least: 1, most: 10 };
/// Chat with inline images fits, uploads do not (API fact sheet section 11.1). Each request in flight
/// may hold as much, until all together hold [`HOLD_TOTAL`].
pub(crate) const HOLD_BODY: Bounded<Bytes> =
    Bounded { default: Bytes(8 << 20), least: Bytes(0), most: Bytes(1 << 30) };
/// Thirty-two of the longest bodies or four thousand of 64 KiB at once, and still a quarter of the
/// gigabyte that a small container has.
pub(crate) const HOLD_TOTAL: Bounded<Bytes> =
    Bounded { default: Bytes(256 << 20), least: Bytes(0), most: Bytes(1 << 40) };

/// The classic: three tries, 1 s to 10 s apart.
pub(crate) const BACKOFF_MIN: Bounded<Duration> = Bounded {
    default: Duration::from_secs(1),
    least: Duration::from_millis(1),
    most: Duration::from_secs(60),
};
/// See [`BACKOFF_MIN`].
pub(crate) const BACKOFF_MAX: Bounded<Duration> =
    Bounded { default: Duration::from_secs(10), ..BACKOFF_MIN };

/// Enough for a region that dies, too little to double the load of regions that are all in trouble
/// (API fact sheet section 4.4).
pub(crate) const RETRY_PERCENT: Bounded<f64> = Bounded { default: 20.0, least: 0.0, most: 100.0 };
/// A second generation is paid for, too.
pub(crate) const HEDGE: bool = false;
/// By the definition of a 95th percentile no more are late on a good day.
pub(crate) const HEDGE_PERCENT: Bounded<f64> = Bounded { default: 5.0, least: 0.0, most: 100.0 };

/// It is rare, and a request that hangs is the worst that a client can meet.
pub(crate) const RESCUE: bool = true;

/// An error in place of the first event is the region's, and the client need not see it.
pub(crate) const HOLD_FIRST_EVENT: bool = true;
/// When all are out at once, the verdict is more likely wrong than all of them, and one answer
/// proves it.
pub(crate) const LAST_RESORT: bool = true;

/// Three round trips around the world and a lost packet.
pub(crate) const CONNECT: Bounded<Duration> = Bounded {
    default: Duration::from_secs(3),
    least: Duration::from_millis(10),
    most: Duration::from_secs(60),
};
/// Two round trips and the work of two machines, of which the region's may be busy.
pub(crate) const TLS: Bounded<Duration> = Bounded {
    default: Duration::from_secs(5),
    least: Duration::from_millis(10),
    most: Duration::from_secs(60),
};
/// TCP alone goes on for a quarter of an hour. Longer than the worst network pauses, and than a
/// region thinks before it reads on; a region that read nothing of it can do nothing with it.
pub(crate) const WRITE: Bounded<Duration> = wait(30);
/// As long as the SDKs wait: reasoning models think before the first byte (API fact sheet section
/// 11.2).
pub(crate) const HEAD: Bounded<Duration> = wait(600);
/// A region that has said 200 and then nothing for a minute is stuck; its first event is no token yet.
pub(crate) const FIRST_TOKEN: Bounded<Duration> = wait(60);
/// Left out, what [`FIRST_TOKEN`] says; the value here is only the example in an error.
pub(crate) const FIRST_TOKEN_OF: Bounded<Duration> = wait(120);
/// Longer than a model is silent between two pieces of a stream.
pub(crate) const IDLE: Bounded<Duration> = wait(120);
/// Longer than any answer or upload seen; it only ends what hangs.
pub(crate) const TOTAL: Bounded<Duration> = wait(3600);
/// Clients keep a session open between two turns, and most of their libraries ping it meanwhile; whoever
/// says nothing for so long has gone.
pub(crate) const TUNNEL_IDLE: Bounded<Duration> = Bounded {
    default: Duration::from_secs(600),
    least: Duration::from_secs(1),
    most: Duration::from_secs(24 * 3600),
};
/// Twice the hour after which the API itself ends a session (API fact sheet sections 5.2, 7).
pub(crate) const TUNNEL: Bounded<Duration> = Bounded {
    default: Duration::from_secs(2 * 3600),
    least: Duration::from_secs(1),
    most: Duration::from_secs(7 * 24 * 3600),
};
/// What Kubernetes grants a pod that it stops.
pub(crate) const DRAIN: Bounded<Duration> = Bounded {
    default: Duration::from_secs(30),
    least: Duration::ZERO,
    most: Duration::from_secs(24 * 3600),
};
/// A head is one packet; whoever needs longer holds the connection on purpose.
pub(crate) const CLIENT_HEADER: Bounded<Duration> = wait(10);
/// Between two pieces, so a slow upload that moves is never cut.
pub(crate) const CLIENT_BODY: Bounded<Duration> = wait(30);
/// Longer than the pools of SDKs keep a connection, so that the client closes first.
pub(crate) const CLIENT_IDLE: Bounded<Duration> = wait(75);

/// Some 20 KiB each when idle; the operating system's own limit is often lower.
pub(crate) const CONNECTIONS: Bounded<u32> = Bounded { default: 10_000, least: 1, most: 1_000_000 };
/// Four times what an SDK with a long token sends.
pub(crate) const HEADER: Bounded<Bytes> =
    Bounded { default: Bytes(64 << 10), least: Bytes(4 << 10), most: Bytes(1 << 20) };
/// Left out, no limit: bodies are streamed, and the region has a limit of its own. The value here is
/// only the example in an error.
pub(crate) const BODY: Bounded<Bytes> =
    Bounded { default: Bytes(64 << 20), least: Bytes(1 << 10), most: Bytes(1 << 40) };
/// Thirty-two bodies of [`HOLD_BODY`] at once, each for as long as its upload takes; with [`HOLD_TOTAL`]
/// half of the gigabyte that a small container has. Less than the least would stop the search in bodies
/// that are not long.
pub(crate) const READ_AHEAD: Bounded<Bytes> =
    Bounded { default: Bytes(256 << 20), least: Bytes(1 << 20), most: Bytes(1 << 40) };

/// Azure's shortest limits count over one to ten seconds (API fact sheet section 8.4).
pub(crate) const COOLDOWN: Bounded<Duration> = wait(5);
/// A daily quota says "try again in 86400 seconds"; a look once a minute is cheaper than a day of
/// believing it.
pub(crate) const COOLDOWN_CAP: Bounded<Duration> = wait(60);
/// Nobody repairs a key faster, and what asks too early costs one request an attempt.
pub(crate) const UNAUTHORIZED: Bounded<Duration> = wait(60);
/// A new deployment can be reached about five minutes after it was made (API fact sheet section 4.1).
pub(crate) const LACKING: Bounded<Duration> = wait(300);

/// A region that breaks off a third of its answers is not worth its retries. From zero on, the first
/// failure of a busy window would do.
pub(crate) const BREAKER_PERCENT: Bounded<f64> = Bounded { default: 25.0, least: 1.0, most: 100.0 };
/// Of fewer, a quarter is chance.
pub(crate) const BREAKER_MINIMUM: Bounded<u32> = Bounded { default: 10, least: 1, most: 10_000 };
/// One failure is an accident, and the next attempt goes elsewhere anyway.
pub(crate) const BREAKER_IN_A_ROW: Bounded<u32> = Bounded { default: 2, least: 1, most: 1000 };
/// Long enough to hold a few requests, short enough that what is over is forgotten.
pub(crate) const BREAKER_WINDOW: Bounded<Duration> = Bounded {
    default: Duration::from_secs(10),
    least: Duration::from_secs(1),
    most: Duration::from_secs(3600),
};
/// A restart behind a load balancer is over by then; a trial costs one request.
pub(crate) const PAUSE_MIN: Bounded<Duration> = wait(5);
/// However long a region was away, it is back a minute after it works again.
pub(crate) const PAUSE_MAX: Bounded<Duration> = wait(60);
/// A region that was just started fills its caches and scales up; all at once would fell it again.
pub(crate) const RAMP: Bounded<Duration> = Bounded {
    default: Duration::from_secs(10),
    least: Duration::ZERO,
    most: Duration::from_secs(3600),
};

/// A person reads first, a collector later.
pub(crate) const LOG_FORMAT: LogFormat = LogFormat::Text;
/// Where a request went is what people ask first.
pub(crate) const LOG_REQUESTS: bool = true;

/// For waits: at least long enough not to be a slip of the unit, at most a day.
const fn wait(default_seconds: u64) -> Bounded<Duration> {
    Bounded {
        default: Duration::from_secs(default_seconds),
        least: Duration::from_millis(100),
        most: Duration::from_secs(24 * 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_within_its_own_range() {
        for key in [
            INTERVAL,
            PROBE_TIMEOUT,
            WINDOW,
            TLS,
            WRITE,
            HEAD,
            TOTAL,
            TUNNEL_IDLE,
            TUNNEL,
            COOLDOWN_CAP,
            LACKING,
            BREAKER_WINDOW,
            PAUSE_MAX,
            RAMP,
            SWITCH_HOLD,
            DRAIN,
        ] {
            assert!(key.least <= key.default && key.default <= key.most);
        }
    }
}
