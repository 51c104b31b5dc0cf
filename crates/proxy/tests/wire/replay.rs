//! What all requests together keep for another attempt has a bound, and beyond it none fails for it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use nearway_proxy::Settings;

use crate::harness::{Proxy, region};
use crate::raw::{RawRegion, Response, eventually};

const FAULT: &str = "HTTP/1.1 503 S\r\ncontent-length: 0\r\n\r\n";

/// A proxy before a region that fails and one that answers.
fn proxy(bad: &RawRegion, good: &RawRegion, hold_total: usize) -> Proxy {
    let regions = [region("bad", &bad.url()), region("good", &good.url())];
    Proxy::tuned(&regions, |settings| settings.hold_total = hold_total)
}

fn post(length: usize) -> String {
    let head = "POST /openai/deployments/d/chat/completions HTTP/1.1\r\nhost: a";
    format!("{head}\r\ncontent-length: {length}\r\n\r\n{}", "x".repeat(length))
}

fn outcome(answer: &Response) -> (u16, Option<&str>) {
    (answer.status(), answer.header("x-nearway-attempts"))
}

fn not_kept(proxy: &Proxy, reason: &str, times: usize) {
    let line = format!("nearway_bodies_not_kept_total{{reason=\"{reason}\"}} {times}\n");
    let text = proxy.metrics.render();
    assert!(text.contains(&line), "{line}: {text}");
}

fn nothing_is_held(proxy: &Proxy) {
    eventually("all is given back", || held(proxy) == Some(0));
}

/// The gauge; none before it was set.
fn held(proxy: &Proxy) -> Option<usize> {
    let text = proxy.metrics.render();
    text.lines().find_map(|line| line.strip_prefix("nearway_replay_bytes ")?.parse().ok())
}

/// A region that has read its request tells so, and fails it when told to.
fn waiting() -> (RawRegion, Receiver<()>, Sender<()>) {
    let ((arrived, came), (go, wait)) = (channel(), channel());
    let (arrived, wait) = (Mutex::new(arrived), Mutex::new(wait));
    let region = RawRegion::start(move |_, connection| {
        let _ = arrived.lock().unwrap().send(());
        let _ = wait.lock().unwrap().recv();
        connection.send(FAULT);
    });
    (region, came, go)
}

#[test]
fn beyond_the_budget_a_fault_is_final_and_below_it_the_next_region_answers() {
    for (length, status, attempts) in [(60_000, 200, "2"), (150_000, 200, "2"), (150_001, 503, "1")]
    {
        let (bad, good) = (RawRegion::answering(FAULT), RawRegion::named("good"));
        let proxy = proxy(&bad, &good, 150_000);
        assert_eq!(outcome(&proxy.ask(&post(length))), (status, Some(attempts)), "{length}");
        for told in bad.seen().into_iter().chain(good.seen()) {
            assert_eq!(told.body.len(), length);
        }
        not_kept(&proxy, "total_budget", usize::from(status == 503));
        not_kept(&proxy, "request_limit", 0);
        nothing_is_held(&proxy);
    }
}

#[test]
fn a_small_body_without_room_is_sent_once_and_whole() {
    let (bad, good) = (RawRegion::answering(FAULT), RawRegion::named("good"));
    let proxy = proxy(&bad, &good, 50_000);
    assert_eq!(outcome(&proxy.ask(&post(60_000))), (503, Some("1")));
    assert_eq!(bad.seen().pop().unwrap().body.len(), 60_000);
    not_kept(&proxy, "total_budget", 1);
    let nothing = "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(outcome(&proxy.ask(nothing)), (200, Some("2")), "without a body there is no limit");
}

#[test]
fn a_small_body_over_the_limit_of_one_body_is_sent_once() {
    let bad = RawRegion::answering(FAULT);
    let regions = [region("first", &bad.url()), region("second", &bad.url())];
    let proxy = Proxy::holding(&regions, 0);
    assert_eq!(outcome(&proxy.ask(&post(1))), (503, Some("1")));
    not_kept(&proxy, "request_limit", 1);
}

#[test]
fn what_one_request_keeps_another_cannot_until_it_is_given_back() {
    let ((slow, came, go), good) = (waiting(), RawRegion::named("good"));
    let proxy = proxy(&slow, &good, 150_000);
    let mut first = proxy.client();
    first.send(post(100_000));
    came.recv().unwrap();
    eventually("the first one is kept", || held(&proxy) == Some(100_000));
    let mut second = proxy.client();
    second.send(post(100_000));
    came.recv().unwrap();
    not_kept(&proxy, "total_budget", 1);
    drop(go);
    assert_eq!(outcome(&first.response()), (200, Some("2")));
    assert_eq!(outcome(&second.response()), (503, Some("1")));
    nothing_is_held(&proxy);
}

#[test]
fn a_client_that_leaves_gives_back_what_was_kept_for_it() {
    let ((slow, came, _go), good) = (waiting(), RawRegion::named("good"));
    let proxy = proxy(&slow, &good, 1_000_000);
    for length in [1000, 100_000] {
        let mut client = proxy.client();
        client.send(post(length));
        came.recv().unwrap();
        eventually("it is kept", || held(&proxy) == Some(length));
        drop(client);
        nothing_is_held(&proxy);
    }
}

#[test]
fn an_answer_that_has_begun_ends_the_keeping() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let streaming = RawRegion::start(move |_, connection| {
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n<b");
        let _ = wait.lock().unwrap().recv();
        connection.send("b>");
    });
    let proxy = proxy(&streaming, &streaming, 1_000_000);
    let mut client = proxy.client();
    client.send(post(100_000));
    assert!(client.until("<b").is_some());
    nothing_is_held(&proxy);
    go.send(()).unwrap();
    assert_eq!(client.exactly(2), b"b>");
}

#[test]
fn a_name_behind_all_the_rest_is_found_without_any_room() {
    let (east, west) = (RawRegion::named("east"), RawRegion::named("west"));
    let regions = [
        region("east", &east.url()).renames("mini", "mini-east"),
        region("west", &west.url()).renames("large", "large-west"),
    ];
    let proxy = Proxy::tuned(&regions, |settings| settings.hold_total = 0);
    let body = format!("{{\"input\":\"{}\",\"model\":\"large\"}}", "x".repeat(300_000));
    let head = "POST /v1/embeddings HTTP/1.1\r\nhost: a\r\ncontent-type: application/json";
    let answer = proxy.ask(&format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    assert_eq!((answer.status(), answer.text()), (200, "west"));
    let told = west.seen().pop().unwrap();
    assert_eq!(told.text(), body.replace("\"large\"", "\"large-west\""));
    not_kept(&proxy, "total_budget", 1);
    nothing_is_held(&proxy);
}

/// The head of a request that names its deployment somewhere in the body.
fn late(length: usize) -> String {
    let head = "POST /v1/embeddings HTTP/1.1\r\nhost: a\r\ncontent-type: application/json";
    format!("{head}\r\ncontent-length: {length}\r\n\r\n")
}

const BEGIN: &str = "{\"input\":\"";
const END: &str = "\",\"model\":\"large\"}";

fn body(length: usize) -> String {
    let input = "x".repeat(length - BEGIN.len() - END.len());
    [BEGIN, &input, END].concat()
}

/// The beginning of one that is longer.
fn begin(length: usize) -> String {
    [BEGIN, &"x".repeat(length - BEGIN.len())].concat()
}

fn shows(proxy: &Proxy, line: &str) -> bool {
    proxy.metrics.render().lines().any(|shown| shown == line)
}

/// Reads ahead no more than one body of this length at a time.
const AHEAD: usize = 300_000;

fn reads_ahead(only: &RawRegion, tune: impl FnOnce(&mut Settings)) -> Proxy {
    Proxy::tuned(&[region("only", &only.url())], |settings| {
        settings.read_ahead = AHEAD;
        tune(settings);
    })
}

#[test]
fn a_body_waits_its_turn_to_be_searched_and_nobody_else_does() {
    for hold_total in [0, 1_000_000] {
        let only = RawRegion::named("only");
        let proxy = reads_ahead(&only, |settings| settings.hold_total = hold_total);
        let body = body(AHEAD);
        let (begin, rest) = body.split_at(AHEAD / 2);
        let mut first = proxy.client();
        first.send(late(AHEAD) + begin);
        eventually("it has all the room that it may need", || {
            shows(&proxy, &format!("nearway_read_ahead_bytes {AHEAD}"))
        });
        let mut second = proxy.client();
        let mut writer = second.stream.try_clone().unwrap();
        let message = late(AHEAD) + &body;
        // what is not read may stay with the client
        let sender = std::thread::spawn(move || writer.write_all(message.as_bytes()).unwrap());
        eventually("it waits", || shows(&proxy, "nearway_read_ahead_waits_total 1"));
        let early = format!("{{\"model\":\"large\",\"input\":\"{}\"}}", "x".repeat(AHEAD));
        for undelayed in [
            post(AHEAD),
            late(early.len()) + &early,
            late(60_000) + &self::body(60_000),
            "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        ] {
            assert_eq!(proxy.ask(&undelayed).status(), 200, "{}", undelayed.len());
        }
        first.send(rest);
        assert_eq!(first.response().status(), 200);
        assert_eq!(second.response().status(), 200);
        sender.join().unwrap();
        let told = only.seen();
        assert!(told.iter().rev().take(2).all(|told| told.text() == body));
        eventually("all is given back", || shows(&proxy, "nearway_read_ahead_bytes 0"));
        assert!(shows(&proxy, "nearway_read_ahead_waits_total 1"));
        nothing_is_held(&proxy);
    }
}

#[test]
fn a_client_that_leaves_gives_back_its_room_and_its_place() {
    let only = RawRegion::named("only");
    let proxy = reads_ahead(&only, |_| {});
    let mut first = proxy.client();
    first.send(late(AHEAD) + &begin(AHEAD / 2));
    eventually("it has the room", || shows(&proxy, &format!("nearway_read_ahead_bytes {AHEAD}")));
    let mut second = proxy.client();
    second.send(late(AHEAD) + &begin(70_000));
    eventually("it waits", || shows(&proxy, "nearway_read_ahead_waits_total 1"));
    drop((first, second));
    assert_eq!(proxy.ask(&(late(AHEAD) + &body(AHEAD))).status(), 200);
    eventually("all is given back", || shows(&proxy, "nearway_read_ahead_bytes 0"));
}

#[test]
fn chunks_take_all_the_room_that_a_body_may_need() {
    let only = RawRegion::named("only");
    let proxy = reads_ahead(&only, |_| {});
    let mut client = proxy.client();
    let body = body(100_000);
    let (begin, rest) = body.split_at(90_000);
    let head = late(0).replace("content-length: 0", "transfer-encoding: chunked");
    client.send(format!("{head}{:x}\r\n{begin}", body.len()));
    eventually("it has the room", || shows(&proxy, &format!("nearway_read_ahead_bytes {AHEAD}")));
    client.send(format!("{rest}\r\n0\r\n\r\n"));
    assert_eq!(client.response().status(), 200);
    assert_eq!(only.seen().pop().unwrap().text(), body);
    eventually("all is given back", || shows(&proxy, "nearway_read_ahead_bytes 0"));
}

#[test]
fn whoever_waits_for_too_long_is_told_to_come_back() {
    let only = RawRegion::named("only");
    let proxy = reads_ahead(&only, |settings| {
        (settings.hold_body, settings.read_ahead) = (LENGTH, LENGTH);
        settings.timeouts.client_body = Duration::from_millis(300);
    });
    let mut slow = TcpStream::connect(proxy.listen).unwrap();
    write!(slow, "{}{BEGIN}", late(2 * LENGTH)).unwrap();
    let end = slow.try_clone().unwrap();
    // it never pauses for long, and does not come to its end by itself
    let trickle = std::thread::spawn(move || while slow.write_all(&[b'x'; 16]).is_ok() {});
    eventually("it has the room", || shows(&proxy, &format!("nearway_read_ahead_bytes {LENGTH}")));
    let mut client = proxy.client();
    client.send(late(AHEAD) + &begin(70_000));
    let answer = client.response();
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("2")));
    assert!(answer.text().contains("\"code\":\"nearway_overloaded\""), "{}", answer.text());
    assert!(shows(&proxy, "nearway_requests_refused_total{code=\"nearway_overloaded\"} 1"));
    end.shutdown(Shutdown::Both).unwrap();
    trickle.join().unwrap();
}

/// Uploads at the same time.
const UPLOADS: usize = 100;
const LENGTH: usize = 8 << 20;
const TOTAL: usize = 32 << 20;

#[test]
fn many_uploads_at_a_time_keep_no_more_than_the_budget_and_fill_it() {
    // the region fails all of them once it has read them all
    let all = Arc::new(Barrier::new(UPLOADS));
    let bad = sink(move || {
        all.wait();
        FAULT
    });
    let good = sink(|| "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let regions = [region("bad", &bad), region("good", &good)];
    let proxy = Proxy::tuned(&regions, |settings| {
        (settings.hold_total, settings.connections_max) = (TOTAL, 2 * UPLOADS);
        settings.timeouts.head = LONG;
        settings.timeouts.total = LONG;
        settings.timeouts.client_body = LONG;
    });
    let statuses: Vec<_> = std::thread::scope(|scope| {
        let uploads: Vec<_> = (0..UPLOADS).map(|_| scope.spawn(|| upload(&proxy))).collect();
        while !uploads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            assert!(held(&proxy) <= Some(TOTAL));
            std::thread::sleep(Duration::from_millis(50));
        }
        uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
    });
    // whoever finds no room makes room, so that as many as fit are kept to the end
    let repeated = statuses.iter().filter(|status| *status == "200").count();
    assert_eq!(repeated, TOTAL / LENGTH, "{statuses:?}");
    not_kept(&proxy, "total_budget", UPLOADS - TOTAL / LENGTH);
    nothing_is_held(&proxy);
}

fn upload(proxy: &Proxy) -> String {
    let mut stream = TcpStream::connect(proxy.listen).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head =
        "POST /openai/deployments/d/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {LENGTH}\r\n\r\n").unwrap();
    for _ in 0..LENGTH / BLOCK.len() {
        stream.write_all(BLOCK).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

/// A region that keeps nothing of what it reads.
fn sink(answer: impl Fn() -> &'static str + Send + Sync + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            std::thread::spawn(move || {
                let mut buffer = vec![0; 256 * 1024];
                while swallowed(&mut stream, &mut buffer) {
                    stream.write_all(answer().as_bytes()).unwrap();
                }
            });
        }
    });
    url
}

/// Reads a request to its end; false if there is none.
fn swallowed(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let Ok(1) = stream.read(&mut byte) else { return false };
        head.extend(byte);
    }
    let mut left = LENGTH;
    while left > 0 {
        let Ok(read @ 1..) = stream.read(buffer) else { return false };
        left -= read;
    }
    true
}

const LONG: Duration = Duration::from_secs(60);
static BLOCK: &[u8] = &[b'x'; 1 << 20];
