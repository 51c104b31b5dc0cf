//! The demo's clients: a few streamed chat completions a second, through the proxy as any SDK would.
//!
//! What they see goes into the tally that `view.rs` shows. Errors are counted, never raised.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use nearway_telemetry::Metrics;
use nearway_upstream::{
    Limits, Origin, PoolSettings, Pools, Region, RegionSettings, RequestBody, TlsTrust, Transport,
};
use nearway_wire::headers::REGION_HEADER;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

use super::story::DEPLOYMENT;
use super::view::Tally;

/// Sends requests to the proxy at `address` until dropped.
pub(super) async fn send(
    address: SocketAddr,
    metrics: Metrics,
    tally: Rc<RefCell<Tally>>,
) -> anyhow::Result<()> {
    let proxy = Region::new(RegionSettings {
        id: 0,
        name: "proxy".into(),
        origin: Origin {
            https: false,
            host: address.ip().to_string(),
            port: address.port(),
            prefix: String::new(),
        },
        credential: None,
        trust: TlsTrust::System,
        http2: false,
    })?;
    let pools = Rc::new(Pools::new(PoolSettings::default(), metrics, TaskTracker::new()));
    let mut requests = JoinSet::new();
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => if requests.len() < AT_ONCE {
                let (pools, proxy) = (pools.clone(), proxy.clone());
                requests.spawn_local(async move { request(&pools, &proxy).await });
            },
            Some(ended) = requests.join_next() => match ended {
                Ok(Some(region)) => *tally.borrow_mut().served.entry(region).or_default() += 1,
                Ok(None) | Err(_) => tally.borrow_mut().failed += 1,
            }
        }
    }
}

/// The region that served one request to its end; `None` if it failed for the client.
async fn request(pools: &Pools, proxy: &Arc<Region>) -> Option<String> {
    let body = serde_json::json!({
        "model": DEPLOYMENT,
        "stream": true,
        "messages": [{"role": "user", "content": "Which region am I talking to?"}],
    });
    let request = Request::post("/openai/v1/chat/completions")
        .header(header::HOST, proxy.host())
        .header(header::AUTHORIZATION, "Bearer any-key")
        .header(header::CONTENT_TYPE, "application/json")
        .body(RequestBody::Whole(Some(Bytes::from(body.to_string()))))
        .ok()?;
    let response = pools.send(proxy, request, LIMITS, None).await.ok()?.response;
    let region = response.headers().get(&REGION_HEADER)?.to_str().ok()?.to_owned();
    let served = response.status() == StatusCode::OK;
    response.into_body().collect().await.ok()?;
    served.then_some(region)
}

/// Between the starts of two requests.
const EVERY: Duration = Duration::from_millis(250);
/// Requests that run at the same time; none is begun beyond.
const AT_ONCE: usize = 32;
/// As patient as an SDK.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(3),
    tls: Duration::from_secs(3),
    write: Duration::from_secs(30),
    head: Duration::from_secs(60),
    total: Duration::from_secs(60),
};
