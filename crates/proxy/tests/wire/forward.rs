//! What a region sees of a request and a client of an answer: the same bytes, but for what must differ.

use crate::harness::{Proxy, region};
use crate::raw::{Client, RawRegion, Response};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A proxy before one region that has nothing of its own.
fn before(raw: &RawRegion) -> Proxy {
    Proxy::start(&[region("east", &raw.url())])
}

fn sent(proxy: &Proxy, raw: &RawRegion, request: &str) -> (Response, Response) {
    let answer = proxy.ask(request);
    (raw.seen().pop().expect("the region is asked"), answer)
}

fn names(message: &Response) -> Vec<String> {
    let lines = message.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.map(|(name, _)| name.to_ascii_lowercase()).collect()
}

#[test]
fn target_and_headers_arrive_as_sent_and_nothing_is_added() {
    let raw = RawRegion::answering(OK);
    let proxy = before(&raw);
    let target = "/v1/x%2Fy%20z/?a=1&a=%41&b=?/{}&&c";
    let request =
        format!("GET {target} HTTP/1.1\r\nhost: any\r\nx-b: 1\r\nx-a: ü\r\nx-b: 2\r\n\r\n");
    let (seen, answer) = sent(&proxy, &raw, &request);
    assert!(seen.head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{}", seen.head);
    assert_eq!(seen.all("x-b"), ["1", "2"]);
    assert_eq!(seen.header("x-a"), Some("ü"));
    assert_eq!(seen.header("host"), Some(raw.address.to_string().as_str()));
    let mut names = names(&seen);
    names.sort();
    assert_eq!(names, ["host", "x-a", "x-b", "x-b"]);
    assert_eq!(answer.header("x-nearway-region"), Some("east"));
    assert_eq!(answer.header("x-nearway-attempts"), Some("1"));
}

#[test]
fn a_region_with_a_key_gets_that_one_and_none_of_the_clients() {
    let raw = RawRegion::answering(OK);
    let proxy = Proxy::start(&[region("east", &raw.url()).key("region-key")]);
    let request = "POST /v1/chat/completions?a=1&api-key=client-1&b=2 HTTP/1.1\r\nhost: any\r\n\
                   api-key: client-2\r\nauthorization: Bearer client-3\r\ncontent-length: 2\r\n\r\n{}";
    let (seen, answer) = sent(&proxy, &raw, request);
    assert!(seen.head.starts_with("POST /v1/chat/completions?a=1&b=2 "), "{}", seen.head);
    assert_eq!(seen.all("api-key"), ["region-key"]);
    assert!(!seen.head.contains("client-"), "{}", seen.head);
    assert!(!answer.head.contains("region-key"), "{}", answer.head);
}

#[test]
fn a_region_without_a_key_gets_the_clients() {
    let raw = RawRegion::answering(OK);
    let proxy = before(&raw);
    let request = "GET /v1/models/x HTTP/1.1\r\nhost: a\r\nauthorization: Bearer client\r\n\r\n";
    let (seen, _) = sent(&proxy, &raw, &request.replace("models", "files"));
    assert_eq!(seen.all("authorization"), ["Bearer client"]);
}

#[test]
fn hop_by_hop_headers_end_at_the_proxy_in_both_directions() {
    let raw = RawRegion::answering(
        "HTTP/1.1 200 OK\r\nconnection: x-mine\r\nx-mine: 1\r\nkeep-alive: timeout=5\r\n\
         x-request-id: r\r\ncontent-length: 0\r\n\r\n",
    );
    let proxy = before(&raw);
    let request = "GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\n\
                   proxy-connection: keep-alive\r\nte: trailers\r\nx-end: 1\r\n\r\n";
    let (seen, answer) = sent(&proxy, &raw, request);
    for gone in ["connection", "x-hop", "proxy-connection", "te"] {
        assert_eq!(seen.header(gone), None, "{gone}: {}", seen.head);
    }
    assert_eq!(seen.header("x-end"), Some("1"));
    assert_eq!((answer.header("x-mine"), answer.header("keep-alive")), (None, None));
    assert_eq!(answer.header("x-request-id"), Some("r"));
}

#[test]
fn statuses_methods_and_encodings_pass_untouched() {
    let cases = [
        ("BREW", "HTTP/1.1 299 Odd\r\ncontent-length: 0\r\n\r\n", 299),
        ("GET", "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n", 204),
        ("GET", "HTTP/1.1 304 Not Modified\r\netag: \"e\"\r\n\r\n", 304),
        ("GET", "HTTP/1.1 307 T\r\nlocation: http://elsewhere/x\r\ncontent-length: 0\r\n\r\n", 307),
        ("GET", "HTTP/1.1 418 T\r\ncontent-length: 3\r\n\r\ntea", 418),
        (
            "GET",
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x0b\x08",
            200,
        ),
    ];
    for (method, answer, status) in cases {
        let raw = RawRegion::answering(answer);
        let proxy = before(&raw);
        let (seen, got) =
            sent(&proxy, &raw, &format!("{method} /v1/x HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(seen.head.starts_with(&format!("{method} /v1/x ")), "{}", seen.head);
        assert_eq!(got.status(), status);
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(got.body, body.as_bytes(), "{status}");
        for name in ["location", "content-encoding", "etag"] {
            assert_eq!(got.header(name).is_some(), answer.contains(name), "{status} {name}");
        }
    }
}

#[test]
fn a_head_answer_keeps_its_length_and_has_no_body() {
    let raw = RawRegion::answering("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n");
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send("HEAD /v1/x HTTP/1.1\r\nhost: a\r\n\r\n");
    let head = client.until("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 1234"), "{head}");
    client.send("HEAD /v1/y HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(client.until("\r\n\r\n").unwrap().starts_with("HTTP/1.1 200"));
}

#[test]
fn chunked_bodies_and_declared_trailers_pass_both_ways() {
    let raw = RawRegion::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
         3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n",
    );
    let proxy = before(&raw);
    let request = "POST /v1/x HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\
                   trailer: x-in\r\n\r\n2\r\nhi\r\n0\r\nx-in: 8\r\n\r\n";
    let (seen, answer) = sent(&proxy, &raw, request);
    assert_eq!((seen.body.as_slice(), seen.trailers.as_str()), (&b"hi"[..], "x-in: 8\r\n"));
    assert_eq!((answer.body.as_slice(), answer.trailers.as_str()), (&b"abc"[..], "x-sum: 7\r\n"));
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let raw = RawRegion::answering(OK);
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send(
        "POST /v1/x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n",
    );
    assert!(client.until("\r\n\r\n").unwrap().starts_with("HTTP/1.1 100 "));
    client.send("abc");
    assert_eq!(client.response().status(), 200);
    assert_eq!(raw.seen().pop().unwrap().body, b"abc");
}

#[test]
fn a_deployment_gets_the_regions_name_in_path_json_and_multipart() {
    let raw = RawRegion::answering(OK);
    let proxy = Proxy::start(&[region("east", &raw.url()).renames("gpt-4o", "east-gpt")]);
    let path = "GET /openai/deployments/gpt%2D4o/x?api-version=1 HTTP/1.1\r\nhost: a\r\n\r\n";
    let (seen, _) = sent(&proxy, &raw, path);
    let expected = "GET /openai/deployments/east-gpt/x?api-version=1 ";
    assert!(seen.head.starts_with(expected), "{}", seen.head);

    let body = r#"{"messages":[{"model":"gpt-4o"}], "model" : "gpt-4o","n":1}"#;
    let renamed = r#"{"messages":[{"model":"gpt-4o"}], "model" : "east-gpt","n":1}"#;
    let json = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (seen, _) = sent(&proxy, &raw, &json);
    assert_eq!(seen.text(), renamed);

    let body = "--B\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt-4o\r\n--B\r\n\
                content-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\ngpt-4o\r\n--B--\r\n";
    let form = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\n\
         content-type: multipart/form-data; boundary=B\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (seen, _) = sent(&proxy, &raw, &form);
    assert_eq!(seen.text(), body.replacen("gpt-4o", "east-gpt", 1));
}

#[test]
fn a_prefix_of_the_regions_url_goes_before_the_target() {
    let raw = RawRegion::answering(OK);
    let proxy = Proxy::start(&[region("east", &format!("{}/base/p", raw.url()))]);
    let (seen, _) = sent(&proxy, &raw, "GET /v1/x?y HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(seen.head.starts_with("GET /base/p/v1/x?y "), "{}", seen.head);
}

#[test]
fn a_pin_decides_and_is_not_passed_on() {
    let (east, west) = (RawRegion::named("east"), RawRegion::named("west"));
    let proxy = Proxy::start(&[region("east", &east.url()), region("west", &west.url())]);
    for name in ["west", "east"] {
        let request = format!("GET /v1/x HTTP/1.1\r\nhost: a\r\nx-nearway-region: {name}\r\n\r\n");
        assert_eq!(proxy.ask(&request).text(), name);
    }
    assert_eq!(west.seen().pop().unwrap().header("x-nearway-region"), None);
    let unknown = "GET /v1/x HTTP/1.1\r\nhost: a\r\nx-nearway-region: north\r\n\r\n";
    let refused = proxy.ask(unknown);
    assert_eq!(refused.status(), 400);
    assert!(refused.text().contains("nearway_unknown_region"), "{}", refused.text());
}

#[test]
fn large_bodies_pass_unchanged_on_a_connection_that_lives_on() {
    let raw = RawRegion::start(|request, connection| {
        let length = request.body.len();
        connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"));
        connection.send(&request.body);
    });
    let proxy = before(&raw);
    let mut client: Client = proxy.client();
    for size in [0, 1, 65_535, 65_537, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[0] ^ 0x5a).collect();
        client.send(format!("PUT /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n"));
        let mut writer = client.stream.try_clone().unwrap();
        let sending = body.clone();
        let sender = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &sending));
        assert!(client.response().body == body, "{size}");
        sender.join().unwrap().unwrap();
    }
}

#[test]
fn a_deployment_gets_the_regions_name_in_a_query_and_however_a_body_is_cut() {
    let raw = RawRegion::answering(OK);
    let proxy = Proxy::start(&[region("east", &raw.url()).renames("gpt-4o", "east-gpt")]);
    let query = "GET /openai/v1/realtime?x=%20&model=gpt%2D4o&&y HTTP/1.1\r\nhost: a\r\n\r\n";
    let (seen, _) = sent(&proxy, &raw, query);
    let expected = "GET /openai/v1/realtime?x=%20&model=east-gpt&&y ";
    assert!(seen.head.starts_with(expected), "{}", seen.head);

    let body = "{\"messages\":[\"}\\\"]\"],\"m\\u006fdel\" :\"g\\u0070t-4o\", \"n\":1}";
    let mut chunked = String::from(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n",
    );
    for byte in body.chars() {
        chunked.push_str(&format!("1\r\n{byte}\r\n"));
    }
    let (seen, _) = sent(&proxy, &raw, &format!("{chunked}0\r\n\r\n"));
    assert_eq!(seen.text(), body.replace("g\\u0070t-4o", "east-gpt"));
    assert_eq!((seen.header("transfer-encoding"), seen.complete), (Some("chunked"), true));
}

#[test]
fn a_body_of_unknown_length_passes_whatever_the_method() {
    let raw = RawRegion::answering(OK);
    let proxy = before(&raw);
    for method in ["GET", "HEAD", "DELETE", "QUERY"] {
        let mut client = proxy.client();
        client.send(format!(
            "{method} /v1/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\n"
        ));
        assert!(client.until("\r\n\r\n").unwrap().starts_with("HTTP/1.1 200"));
        let seen = raw.seen().pop().unwrap();
        assert_eq!(seen.text(), "abc", "{}", seen.head);
    }
}

#[test]
fn the_regions_own_words_for_a_status_pass() {
    for line in ["HTTP/1.1 401 PermissionDenied", "HTTP/1.1 299 Odd"] {
        let raw = RawRegion::start(move |_, connection| {
            connection.send(format!("{line}\r\ncontent-length: 0\r\n\r\n"));
        });
        let answer = before(&raw).ask("GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(answer.head.starts_with(&format!("{line}\r\n")), "{}", answer.head);
    }
}
