//! Regions that accept a connection and then do nothing with it.

use std::net::TcpListener;
use std::time::Duration;

use nearway_proxy::Settings;

use crate::harness::{Proxy, region};
use crate::raw::{RawRegion, Response};

const SHORT: Duration = Duration::from_millis(300);
/// More than all buffers on the way to a region hold.
const LARGE: usize = 16 * 1024 * 1024;

/// Its system accepts for it, and takes what fits into its buffers.
fn silent(scheme: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn tune(settings: &mut Settings) {
    settings.timeouts.tls = SHORT;
    settings.timeouts.write = SHORT;
    settings.hold_body = 2 * LARGE;
}

/// The answer to a chat of so many bytes; all of it is read before a region is chosen.
fn chat(proxy: &Proxy, size: usize) -> Response {
    let body = format!(r#"{{"messages":"{}","model":"m"}}"#, "x".repeat(size));
    let mut client = proxy.client();
    let length = body.len();
    client.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
    ));
    client.send(body);
    client.response()
}

/// Alone it gives a 504 that says why, and before another one it is passed over.
fn is_passed_over(scheme: &str, size: usize, reason: &str) {
    let (_listener, url) = silent(scheme);
    let proxy = Proxy::tuned(&[region("silent", &url)], tune);
    let answer = chat(&proxy, size);
    assert_eq!(answer.status(), 504, "{}", answer.text());
    assert!(answer.text().contains(&format!("silent ({reason})")), "{}", answer.text());

    let good = RawRegion::named("good");
    let proxy = Proxy::tuned(&[region("silent", &url), region("good", &good.url())], tune);
    let answer = chat(&proxy, size);
    assert_eq!((answer.status(), answer.text()), (200, "good"));
    assert_eq!(answer.header("x-nearway-attempts"), Some("2"));
    let failover = format!("to=\"good\",reason=\"{reason}\"}} 1\n");
    assert!(proxy.metrics.render().contains(&failover));
    assert!(good.seen()[0].body.len() > size);
}

#[test]
fn one_that_never_answers_the_handshake_is_late_with_it() {
    is_passed_over("https", 10, "tls_timeout");
}

#[test]
fn one_that_never_reads_a_large_body_is_late_with_that() {
    is_passed_over("http", LARGE, "write_timeout");
}

#[test]
fn an_upload_that_the_client_still_sends_goes_to_the_next_region() {
    let (_listener, url) = silent("http");
    let good = RawRegion::named("good");
    let proxy = Proxy::tuned(&[region("silent", &url), region("good", &good.url())], tune);
    let mut client = proxy.client();
    // named in the path, so that nothing of the body is read before
    client.send(format!(
        "POST /openai/deployments/d/chat/completions HTTP/1.1\r\nhost: a\r\n\
         content-length: {LARGE}\r\n\r\n"
    ));
    client.send(vec![b'x'; LARGE]);
    let answer = client.response();
    assert_eq!((answer.status(), answer.text()), (200, "good"));
    assert_eq!(good.seen()[0].body.len(), LARGE);
}
