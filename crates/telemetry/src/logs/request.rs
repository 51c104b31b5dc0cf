//! The one line that each request leaves, from the proxy's last step (`settle`).

use std::time::Duration;

use tracing::Level;

use crate::labels::RequestOutcome;

/// The target of request lines: `nearway::request=off` in a filter silences them alone.
pub const REQUEST_TARGET: &str = "nearway::request";

/// What is said of a request. Its path may be given whole: the query is cut here.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// As the client wrote it.
    pub method: &'a str,
    /// As the client wrote it; a query string (which may hold a key) is never logged.
    pub path: &'a str,
    /// The configured client whose key it carried; none where none are configured, or without a key.
    pub client: Option<&'a str>,
    /// The label of the API's operation.
    pub operation: &'a str,
    /// What the client asked for; none where the request names none.
    pub deployment: Option<&'a str>,
    /// The region that answered last; none where no region was asked.
    pub region: Option<&'a str>,
    /// How many times a region was asked.
    pub attempts: u32,
    /// What the client got; none where it left before the head.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// From sending the request to its first content token; none where there was no stream.
    pub first_token: Option<Duration>,
    /// From the request's head to the answer's last byte.
    pub total: Duration,
    /// Nearway's own share of `total`.
    pub added: Duration,
    /// Bytes of the request's body that went on to a region.
    pub bytes_in: u64,
    /// Bytes of the answer's body that went to the client.
    pub bytes_out: u64,
}

/// Whether [`request_line`] would write anything: two loads when not. Lets the caller skip
/// gathering what only the line needs.
#[must_use]
pub fn request_lines_enabled() -> bool {
    tracing::enabled!(target: REQUEST_TARGET, Level::INFO)
}

/// Writes the line, at level info.
pub fn request_line(line: &RequestLine<'_>) {
    if !request_lines_enabled() {
        return;
    }
    tracing::info!(
        target: REQUEST_TARGET,
        method = line.method,
        path = without_query(line.path),
        client = line.client,
        operation = line.operation,
        deployment = line.deployment,
        region = line.region,
        attempts = line.attempts,
        status = line.status,
        outcome = line.outcome.as_str(),
        first_token_ms = line.first_token.map(milliseconds),
        total_ms = milliseconds(line.total),
        added_us = u64::try_from(line.added.as_micros()).unwrap_or(u64::MAX),
        bytes_in = line.bytes_in,
        bytes_out = line.bytes_out,
        "request"
    );
}

/// A client that encodes its URL twice sends `%3F`: what follows was meant as a query too.
fn without_query(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    ["%3f", "%3F"].iter().fold(path, |path, mark| path.split(mark).next().unwrap_or_default())
}

/// Milliseconds to three places.
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_cut_even_if_its_mark_was_encoded() {
        for target in ["/a/b", "/a/b?api-key=k", "/a/b#api-key=k", "/a/b%3Fapi-key=k", "/a/b%3fk"] {
            assert_eq!(without_query(target), "/a/b", "{target}");
        }
        assert_eq!(without_query("/a%20b/%33f"), "/a%20b/%33f");
    }
}
