//! Regions that are spoken to in HTTP/2: nothing is different for the client, whatever becomes of
//! the one connection that all its requests share.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nearway_sim::{Change, Mode, SimTls};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio_util::task::TaskTracker;

use crate::harness::{Proxy, Regions, config, region};
use crate::http2_region::Http2Region;
use crate::raw::eventually;

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                    content-length: 62\r\n\r\n\
                    {\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";

/// Simulated regions of these names that offer HTTP/2, and a proxy that takes the offer.
fn simulated(names: &[&str]) -> (Regions, Proxy) {
    simulated_with(names, "")
}

/// The same, with more in the proxy's file.
fn simulated_with(names: &[&str], settings: &str) -> (Regions, Proxy) {
    let tls = SimTls::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let more = over_http2(folder.path(), &tls.ca_pem);
    let named: Vec<_> = names.iter().map(|name| (*name, 1.0)).collect();
    let regions = Regions::start_with(&named, Some(tls));
    let proxy = Proxy::start(&config(&regions.configured_with(&more), settings));
    (regions, proxy)
}

/// A proxy in front of a region that misbehaves.
fn before(raw: &Http2Region) -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    let more = over_http2(folder.path(), &raw.ca_pem);
    // one worker, so that all requests meet on its connections
    let one = config(&[region("only", &raw.url, &more)], "").replace("workers: 2", "workers: 1");
    Proxy::start(&one)
}

fn over_http2(folder: &Path, ca_pem: &str) -> String {
    let file = folder.join("ca.pem");
    std::fs::write(&file, ca_pem).unwrap();
    format!(", ca_file: '{}', http2: true", file.display())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi")
}

#[test]
fn a_completion_arrives_with_the_authority_of_the_region() {
    let (regions, proxy) = simulated(&["only"]);
    let answer = proxy.ask(CHAT);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(answer.text().contains("\"choices\""), "{}", answer.text());
    let stats = regions.stats("only");
    let seen = stats.last_of("chat_completions").unwrap();
    let address = regions.list[0].1.strip_prefix("https://").unwrap();
    assert_eq!((seen.version.as_str(), seen.authority.as_deref()), ("HTTP/2.0", Some(address)));
    assert_eq!(seen.header("host"), None);
}

#[test]
fn events_arrive_one_by_one_and_a_client_that_leaves_ends_the_stream() {
    let (regions, proxy) = simulated(&["only"]);
    let mut client = proxy.client();
    client.send(get("/sim/sse?gap_ms=50"));
    client.until("\r\n\r\n").unwrap();
    for number in 0..3 {
        let event = client.until("\n\n").unwrap();
        assert!(event.contains(&format!("{{\"number\":{number}}}")), "{event}");
    }
    assert_eq!(regions.stats("only").cancelled, 0);
    drop(client);
    ended_within_a_second(&regions);
}

#[test]
fn a_client_that_leaves_before_an_answer_ends_the_stream_too() {
    let (regions, proxy) = simulated(&["only"]);
    let mut upload = proxy.client();
    upload.send("POST /sim/sink HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n");
    upload.send(vec![0; 3_000_000]);
    eventually("the upload has begun", || regions.stats("only").last_of("raw").is_some());
    drop(upload);
    ended_within_a_second(&regions);

    regions.control.set("only", Change::Mode(Mode::Blackhole)).unwrap();
    let before = regions.stats("only").requests;
    let mut waiting = proxy.client();
    waiting.send(CHAT);
    eventually("the request is there", || regions.stats("only").requests > before);
    drop(waiting);
    ended_within_a_second(&regions);
}

fn ended_within_a_second(regions: &Regions) {
    let left = tokio::time::Instant::now();
    eventually("nothing is in flight", || regions.stats("only").in_flight == 0);
    let took = tokio::time::Instant::now() - left;
    assert!(took.as_millis() < 1000, "{took:?}");
}

#[test]
fn an_upload_of_unknown_length_arrives_whole() {
    let (regions, proxy) = simulated(&["only"]);
    let mut client = proxy.client();
    client.send("POST /sim/sink HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..300 {
        client.send(format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000)));
    }
    client.send("0\r\n\r\n");
    let answer = client.response();
    assert!(answer.text().contains("\"len\":30000000"), "{}", answer.text());
    assert_eq!(regions.stats("only").last_of("raw").unwrap().version, "HTTP/2.0");
}

#[test]
fn a_client_that_pauses_in_its_upload_is_not_its_regions_fault() {
    let (regions, proxy) = simulated_with(&["only"], "timeouts: {write: 100ms}\n");
    let mut client = proxy.client();
    client.send("POST /sim/sink HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\n");
    for _ in 0..5 {
        client.send(vec![b'x'; 2_000_000]);
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let answer = client.response();
    assert!(answer.text().contains("\"len\":10000000"), "{}", answer.text());
    assert_eq!(answer.header("x-nearway-attempts"), Some("1"));
    assert_eq!(regions.stats("only").last_of("raw").unwrap().version, "HTTP/2.0");
}

#[test]
fn clients_that_speak_http_2_themselves_reach_it_too() {
    let (regions, proxy) = simulated(&["only"]);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(three_uploads_at_a_time(proxy.listen));
    assert_eq!(regions.stats("only").last_of("raw").unwrap().version, "HTTP/2.0");
}

async fn three_uploads_at_a_time(address: SocketAddr) {
    let stream = TcpStream::connect(address).await.unwrap();
    let tasks = TaskTracker::new();
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tasks.spawn(connection);
    let ask = |number: usize| {
        let mut sender = sender.clone();
        async move {
            let body = Bytes::from("x".repeat(number));
            let request = Request::post("http://any/sim/sink").body(Full::new(body)).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.headers()["x-nearway-region"], "only");
            let told = response.into_body().collect().await.unwrap().to_bytes();
            let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
            assert_eq!(told["len"], number);
        }
    };
    tokio::join!(ask(1), ask(3_000_000), ask(100_000));
}

#[test]
fn an_upgrade_gets_a_connection_of_http_1() {
    let (regions, proxy) = simulated(&["only"]);
    assert_eq!(proxy.ask(CHAT).status(), 200);
    let mut client = proxy.client();
    client.send(
        "GET /sim/ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let head = client.until("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // one masked text message, and its echo (RFC 6455 5.2)
    client.send([0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    assert_eq!(client.exactly(4), [0x81, 2, b'h', b'i']);
    assert_eq!(regions.stats("only").last_of("raw").unwrap().version, "HTTP/1.1");
    assert_eq!(proxy.ask(CHAT).status(), 200);
    assert_eq!(regions.stats("only").last_of("chat_completions").unwrap().version, "HTTP/2.0");
}

#[test]
fn a_lost_connection_is_the_next_regions_chance_and_is_made_again() {
    let (regions, proxy) = simulated(&["first", "second"]);
    let pinned = CHAT.replace("host: a", "host: a\r\nx-nearway-region: first");
    assert_eq!(proxy.ask(&pinned).header("x-nearway-region"), Some("first"));
    regions.control.set("first", Change::Mode(Mode::Refuse)).unwrap();
    for _ in 0..3 {
        let answer = proxy.ask(CHAT);
        assert_eq!((answer.status(), answer.header("x-nearway-region")), (200, Some("second")));
    }
    regions.control.set("first", Change::Mode(Mode::Up)).unwrap();
    eventually("the first is used again", || proxy.ask(&pinned).status() == 200);
}

#[test]
fn what_a_region_refuses_unread_goes_again_even_if_it_creates_something() {
    let raw = Http2Region::start(100);
    let proxy = before(&raw);
    assert_eq!(proxy.ask(&get("/v1/x")).status(), 200);
    let answer = proxy.ask(&post("/v1/refuse"));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(raw.requests(), 2);
}

#[test]
fn a_connection_that_says_goodbye_is_replaced() {
    let raw = Http2Region::start(100);
    let proxy = before(&raw);
    let mut last = String::new();
    for _ in 0..5 {
        let answer = proxy.ask(&post("/v1/goodbye"));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_ne!(answer.text(), last, "a connection of its own");
        last = answer.text().to_owned();
    }
    assert_eq!(raw.requests(), 5);
}

#[test]
fn more_requests_than_a_connection_takes_get_a_second_one() {
    let raw = Http2Region::start(1);
    let proxy = before(&raw);
    assert_eq!(proxy.ask(&get("/v1/x")).status(), 200);
    let mut held = proxy.client();
    held.send(get("/v1/hold"));
    eventually("one is held", || raw.requests() == 2);
    assert_eq!(proxy.ask(&get("/v1/release")).status(), 200);
    assert_eq!(held.response().status(), 200);
}

#[test]
fn a_stream_that_is_reset_in_the_middle_looks_cut() {
    let raw = Http2Region::start(100);
    let proxy = before(&raw);
    for path in ["/v1/cut", "/v1/end"] {
        let mut client = proxy.client();
        client.send(get(path));
        let head = client.until("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(proxy.ask(&get("/v1/release")).status(), 200);
        assert_eq!(client.until("\r\n0\r\n"), None, "{path}: an end that there was not");
    }
    assert_eq!(proxy.ask(&get("/v1/x")).status(), 200);
}
