//! Requests that two parsers could read differently: refused, or read in the one way that RFC 9112
//! leaves, and then nothing behind them counts as a request.

use crate::harness::{Proxy, region};
use crate::raw::RawRegion;

const GOOD: &str = "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";
/// Behind a request that one parser takes for shorter than another.
const HIDDEN: &str = "GET /v1/hidden HTTP/1.1\r\nhost: a\r\n\r\n";

fn before(raw: &RawRegion) -> Proxy {
    Proxy::start(&[region("only", &raw.url())])
}

/// A POST with these lines between `Host` and its body.
fn post(lines: &str, body: &str) -> String {
    format!("POST /v1/x HTTP/1.1\r\nhost: a\r\n{lines}\r\n{body}")
}

#[test]
fn what_is_ambiguous_is_refused_and_the_connection_closed() {
    let raw = RawRegion::named("good");
    let proxy = before(&raw);
    let chunked = "transfer-encoding: chunked\r\n";
    let end = "0\r\n\r\n";
    let get = |target: &str, lines: &str| format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
    let cases = [
        // lengths that differ or are no numbers
        post("content-length: 3\r\ncontent-length: 4\r\n", "abcd"),
        post("content-length: 3, 3\r\n", "abc"),
        post("content-length: +3\r\n", "abc"),
        post("content-length: 0x3\r\n", "abc"),
        post("content-length: 3 3\r\n", "abc"),
        post("content-length:\r\n", ""),
        post("content-length: 18446744073709551616\r\n", "abc"),
        // codings other than plainly chunked
        post("transfer-encoding: identity\r\n", end),
        post("transfer-encoding: identity, chunked\r\n", end),
        post("transfer-encoding: gzip, chunked\r\n", end),
        post("transfer-encoding: chunked, gzip\r\n", end),
        post("transfer-encoding: xchunked\r\n", end),
        post("transfer-encoding: chunked;q=1\r\n", end),
        post("transfer-encoding: \"chunked\"\r\n", end),
        post("transfer-encoding: ,chunked\r\n", end),
        post("transfer-encoding:\x0bchunked\r\n", end),
        post("transfer-encoding:\r\n", end),
        post(&format!("{chunked}{chunked}"), end),
        post(&format!("{chunked}transfer-encoding: identity\r\n"), end),
        // field syntax
        post("transfer-encoding : chunked\r\n", end),
        post("content-length : 3\r\n", "abc"),
        post(" content-length: 3\r\n", "abc"),
        post("transfer-encoding:\r\n chunked\r\n", end),
        post("x: a\r\n\tfolded\r\n", ""),
        post("x: a\0b\r\n", ""),
        post("x\0: ab\r\n", ""),
        post("x: a\rb\r\n", ""),
        post("no colon\r\n", ""),
        post(": no name\r\n", ""),
        post("x y: 1\r\n", ""),
        // versions
        format!("POST /v1/x HTTP/1.0\r\nhost: a\r\n{chunked}\r\n{end}"),
        "GET /v1/x\r\n\r\n".into(),
        "GET /v1/x HTTP/1.2\r\nhost: a\r\n\r\n".into(),
        "GET /v1/x HTTP/2.0\r\nhost: a\r\n\r\n".into(),
        "GET /v1/x HTTP/01.1\r\nhost: a\r\n\r\n".into(),
        "GET /v1/x http/1.1\r\nhost: a\r\n\r\n".into(),
        // targets and hosts
        get("/v1/a b", "host: a\r\n"),
        get("/v1/x\tb", "host: a\r\n"),
        get("/v1/\x01", "host: a\r\n"),
        get("v1/x", "host: a\r\n"),
        get("http://u:p@a/v1/x", "host: a\r\n"),
        get("http://u:p@a/v1/x", "host: u:p@a\r\n"),
        get("http://a:1/v1/x", "host: a:2\r\n"),
        get("http:///v1/x", "host: a\r\n"),
        get("/v1/x", "x: 1\r\n"),
        get("/v1/x", "host: a\r\nhost: a\r\n"),
        get("/v1/x", "host: u@a\r\n"),
        get("/v1/x", "host: a/b\r\n"),
        get("/v1/x", "host: a b\r\n"),
        get("/v1/x", "host: a, b\r\n"),
    ];
    let mut passed = Vec::new();
    for case in &cases {
        let mut client = proxy.client();
        client.send(format!("{case}{HIDDEN}"));
        let status = client.response().status();
        if status != 400 || !client.is_closed() {
            passed.push((status, case));
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
    assert_eq!(proxy.ask(GOOD).text(), "good");
    assert_eq!(raw.seen().len(), 1, "none was passed on");
}

#[test]
fn bad_chunks_end_the_connection_and_hide_no_request() {
    for chunks in [
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\r\nabcde\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3;x=\ny\r\nabc\r\n0\r\n\r\n",
    ] {
        let raw = RawRegion::named("good");
        let proxy = before(&raw);
        let mut client = proxy.client();
        client.send(format!("{}{HIDDEN}", post("transfer-encoding: chunked\r\n", chunks)));
        assert_eq!(client.response().status(), 400, "{chunks:?}");
        assert!(client.is_closed(), "{chunks:?}");
        let seen = raw.seen();
        assert!(seen.iter().all(|seen| !seen.complete), "{chunks:?}: {seen:?}");
    }
}

#[test]
fn a_length_beside_chunks_does_not_count_and_the_connection_ends() {
    let raw = RawRegion::named("good");
    let proxy = before(&raw);
    let chunks = "3\r\nabc\r\n0\r\n\r\n";
    for lines in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n",
    ] {
        let mut client = proxy.client();
        client.send(format!("{}{HIDDEN}", post(lines, chunks)));
        let answer = client.response();
        assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")), "{lines}");
        assert!(client.is_closed());
        let seen = raw.seen().pop().unwrap();
        assert_eq!((seen.header("content-length"), seen.text()), (None, "abc"));
        assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
    }
    assert_eq!(raw.seen().len(), 3, "what stood behind was never read as a request");
}

#[test]
fn lax_forms_that_everybody_reads_alike_pass_in_the_strict_form() {
    let raw = RawRegion::named("good");
    let proxy = before(&raw);
    for (request, body) in [
        (post("content-length: 3\r\ncontent-length: 3\r\n", "abc"), "abc"),
        (post("transfer-encoding: chunked\r\n", "3 \r\nabc\r\n0\r\n\r\n"), "abc"),
        (post("Transfer-Encoding: CHUNKED\r\n", "3;ext=1\r\nabc\r\n0\r\n\r\n"), "abc"),
        ("POST /v1/x HTTP/1.1\nhost: a\ncontent-length: 3\n\nabc".into(), "abc"),
        (format!("\r\n\r\n{GOOD}"), ""),
        ("GET http://a/v1/x HTTP/1.1\r\nhost: a\r\n\r\n".into(), ""),
        // hyper drops a fragment before anybody sees it; it is no part of a request (RFC 9110 7.1)
        ("GET /v1/x#f HTTP/1.1\r\nhost: a\r\n\r\n".into(), ""),
        ("GET /v1/x HTTP/1.0\r\n\r\n".into(), ""),
    ] {
        let before = raw.seen().len();
        assert_eq!(proxy.ask(&request).status(), 200, "{request:?}");
        let seen = raw.seen();
        assert_eq!(seen.len(), before + 1);
        let seen = seen.last().unwrap();
        assert!(
            seen.head.contains(" /v1/x HTTP/1.1\r\n") && !seen.head.contains("a\n"),
            "{}",
            seen.head
        );
        assert_eq!(seen.text(), body);
        assert!(seen.all("content-length").len() <= 1);
    }
}
