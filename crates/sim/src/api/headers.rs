//! The headers that every answer of a region carries (API fact sheet section 3).
//!
//! Ids, the region's name, the rate-limit counters, the time the model took. Put on by
//! `exchange.rs` last; what a handler has set stays.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::throttle::Admission;

/// What the headers are made of.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) region: &'a str,
    /// `apim-request-id` and `x-request-id`, which differ on Azure.
    pub(crate) ids: &'a [String; 2],
    pub(crate) deployment: Option<&'a str>,
    pub(crate) admission: Option<Admission>,
    /// From the request's arrival to this head.
    pub(crate) elapsed: Duration,
}

pub(crate) fn stamp(headers: &mut HeaderMap, facts: &Facts<'_>) {
    let [apim, request] = facts.ids;
    put(headers, "x-ms-region", facts.region);
    put(headers, "apim-request-id", apim);
    put(headers, "x-request-id", request);
    if let Some(deployment) = facts.deployment {
        put(headers, "x-ms-deployment-name", deployment);
        put(headers, "ms-azureml-model-time", &facts.elapsed.as_millis().to_string());
    }
    if let Some(Admission::Granted { limit, remaining, reset }) = facts.admission {
        let (limit, remaining) = (u64::from(limit), u64::from(remaining));
        put(headers, "x-ratelimit-limit-requests", &limit.to_string());
        put(headers, "x-ratelimit-remaining-requests", &remaining.to_string());
        put(headers, "x-ratelimit-reset-requests", &reset.as_secs().to_string());
        put(headers, "x-ratelimit-limit-tokens", &(limit * TOKENS_PER_REQUEST).to_string());
        put(headers, "x-ratelimit-remaining-tokens", &(remaining * TOKENS_PER_REQUEST).to_string());
        put(headers, "x-ratelimit-reset-tokens", &reset.as_secs().to_string());
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.entry(name).or_insert(value);
    }
}

/// Azure grants 1 K tokens per minute with every 6 requests per minute of the older chat models
/// (API fact sheet section 8.4); the round figure serves.
const TOKENS_PER_REQUEST: u64 = 166;
