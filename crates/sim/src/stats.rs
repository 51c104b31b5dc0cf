//! What a region has seen: counters and the latest request heads.
//!
//! Written by `ticket.rs` and `serve.rs`, read through [`crate::Control`] and the control
//! endpoint. Bounded: the latest [`RECENT_KEPT`] requests.

use std::collections::{BTreeMap, VecDeque};

use http::request::Parts;
use serde::Serialize;

use crate::digest::SeenBody;

/// A copy of a region's counters at one time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Requests that arrived, refused and failed ones included.
    pub requests: u64,
    /// The same by operation, such as `chat_completions`.
    pub operations: BTreeMap<&'static str, u64>,
    /// Requests, by operation, that name an object which is not in this region: what a proxy that
    /// does not know the owner costs, and what a deleted object answers.
    pub not_here: BTreeMap<&'static str, u64>,
    /// Those of them that would have changed something had the object been here.
    pub not_here_writes: u64,
    /// Response heads by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests whose answer has not ended.
    pub in_flight: u32,
    /// Requests whose client left before the answer ended.
    pub cancelled: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are open.
    pub connections_open: u32,
    /// WebSockets that are open.
    pub sockets_open: u32,
    /// The close code that the latest WebSocket client sent; 1005 for none, 1006 for no close.
    pub last_close: Option<u16>,
    /// The latest requests, oldest first.
    pub recent: VecDeque<Seen>,
}

impl Stats {
    /// The latest request.
    #[must_use]
    pub fn last(&self) -> Option<&Seen> {
        self.recent.back()
    }

    /// The latest request of an operation.
    #[must_use]
    pub fn last_of(&self, operation: &str) -> Option<&Seen> {
        self.recent.iter().rev().find(|seen| seen.operation == operation)
    }

    /// Requests of one operation so far.
    #[must_use]
    pub fn count(&self, operation: &str) -> u64 {
        self.operations.get(operation).copied().unwrap_or(0)
    }

    /// Requests so far that named an object which is not here.
    #[must_use]
    pub fn not_here_in_all(&self) -> u64 {
        self.not_here.values().sum()
    }

    pub(crate) fn arrived(&mut self, seen: Seen) {
        self.requests += 1;
        *self.operations.entry(seen.operation).or_default() += 1;
        if self.recent.len() == RECENT_KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
    }

    pub(crate) fn read(&mut self, number: u64, body: SeenBody) {
        if let Some(seen) = self.recent.iter_mut().rev().find(|seen| seen.number == number) {
            seen.body = Some(body);
        }
    }

    pub(crate) fn not_here(&mut self, operation: &'static str, writes: bool) {
        *self.not_here.entry(operation).or_default() += 1;
        self.not_here_writes += u64::from(writes);
    }

    pub(crate) fn answered(&mut self, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
    }
}

/// One request as it arrived. Bytes above 127 stand as the character of the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Counts the requests of the region, from 1.
    pub number: u64,
    /// Label of the operation, or `raw`, `status`, `other`.
    pub operation: &'static str,
    /// As sent.
    pub method: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// The authority of HTTP/2 or of an absolute target.
    pub authority: Option<String>,
    /// In order of arrival (repeated names together), names in lower case.
    pub headers: Vec<(String, String)>,
    /// Known once the whole body was read.
    pub body: Option<SeenBody>,
}

impl Seen {
    pub(crate) fn new(number: u64, operation: &'static str, head: &Parts) -> Self {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        Self {
            number,
            operation,
            method: head.method.to_string(),
            version: format!("{:?}", head.version),
            target: target.to_owned(),
            authority: head.uri.authority().map(ToString::to_string),
            headers: headers(&head.headers),
            body: None,
        }
    }

    /// The first value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(seen, _)| seen == name).map(|(_, value)| value.as_str())
    }
}

/// Header fields as text, each byte a character, so that nothing is lost.
pub(crate) fn headers(map: &http::HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| {
            (name.to_string(), value.as_bytes().iter().copied().map(char::from).collect())
        })
        .collect()
}

const RECENT_KEPT: usize = 64;
