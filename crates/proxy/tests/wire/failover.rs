//! A region that fails before its answer begins is not the client's business while another works.

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{Proxy, region};
use crate::raw::{RawRegion, eventually, refused};

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const FILES: &str = "POST /v1/files HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";

fn pair(first: &str, second: &str) -> Proxy {
    Proxy::start(&[region("first", first), region("second", second)])
}

fn resetting() -> RawRegion {
    RawRegion::start(|_, connection| connection.stream.shutdown(Shutdown::Both).unwrap())
}

fn both_answer_as(proxy: &Proxy, name: &str) {
    for _ in 0..4 {
        let answer = proxy.ask(CHAT);
        assert_eq!((answer.status(), answer.text()), (200, name), "{}", answer.head);
    }
}

#[test]
fn a_refused_connection_goes_to_the_next_region() {
    let good = RawRegion::named("good");
    both_answer_as(&pair(&refused(), &good.url()), "good");
}

#[test]
fn a_5xx_or_a_reset_goes_to_the_next_region() {
    for bad in [
        RawRegion::answering("HTTP/1.1 503 S\r\ncontent-length: 0\r\n\r\n"),
        RawRegion::answering("HTTP/1.1 500 S\r\ncontent-length: 3\r\n\r\nbad"),
        RawRegion::answering("nonsense\r\n\r\n"),
        resetting(),
    ] {
        let good = RawRegion::named("good");
        both_answer_as(&pair(&bad.url(), &good.url()), "good");
    }
}

#[test]
fn a_429_rests_the_region_so_that_the_next_request_avoids_it() {
    let bad =
        RawRegion::answering("HTTP/1.1 429 T\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n");
    let good = RawRegion::named("good");
    let proxy = pair(&bad.url(), &good.url());
    both_answer_as(&proxy, "good");
    let counted = "nearway_failovers_total{from=\"first\",to=\"second\",reason=\"throttled\"} 1\n";
    let metrics = proxy.metrics.render();
    assert!(metrics.contains(counted), "{metrics}");
    assert!(bad.seen().len() <= 1, "asked {} times", bad.seen().len());
}

#[test]
fn a_region_that_fails_moves_the_traffic_away_within_two_requests() {
    let failing = RawRegion::answering("HTTP/1.1 500 S\r\ncontent-length: 0\r\n\r\n");
    let resetting = resetting();
    for (bad, reason, times) in [
        (refused(), "connect", 1),
        (failing.url(), "server_error", 2),
        (resetting.url(), "reset", 2),
    ] {
        let good = RawRegion::named("good");
        let proxy = pair(&bad, &good.url());
        both_answer_as(&proxy, "good");
        let line = format!("to=\"second\",reason=\"{reason}\"}} {times}\n");
        let metrics = proxy.metrics.render();
        assert!(metrics.contains(&line), "{line} {metrics}");
    }
}

#[test]
fn a_breaker_counts_what_requests_do_to_it_under_its_own_deployment() {
    let failing = RawRegion::answering("HTTP/1.1 500 S\r\ncontent-length: 0\r\n\r\n");
    let chat = CHAT.replace("/v1/", "/openai/deployments/gpt-4o/");
    let cases = [
        (refused(), CHAT, "all"),
        (failing.url(), CHAT, "other"),
        (failing.url(), chat.as_str(), "gpt-4o"),
    ];
    for (bad, request, deployment) in cases {
        let good = RawRegion::named("good");
        let regions = [region("first", &bad), region("second", &good.url())];
        let proxy = Proxy::tuned(&regions, |settings| {
            settings.metric_deployments = vec!["gpt-4o".into()];
        });
        for _ in 0..3 {
            assert_eq!(proxy.ask(request).text(), "good");
        }
        let metrics = proxy.metrics.render();
        let line = format!(
            "nearway_breaker_transitions_total{{region=\"first\",deployment=\"{deployment}\",to=\"open\"}} 1\n"
        );
        assert!(metrics.contains(&line), "{line} {metrics}");
        assert_eq!(metrics.matches("to=\"open\"} 1\n").count(), 1, "{metrics}");
    }
}

#[test]
fn a_region_that_refuses_its_own_key_is_out() {
    let strict = RawRegion::answering("HTTP/1.1 401 U\r\ncontent-length: 0\r\n\r\n");
    let good = RawRegion::named("good");
    let proxy =
        Proxy::start(&[region("first", &strict.url()).key("k"), region("second", &good.url())]);
    both_answer_as(&proxy, "good");
    assert_eq!(strict.seen().len(), 1);
}

#[test]
fn a_clients_own_wrong_key_is_not_held_against_the_region() {
    let strict = RawRegion::start(|request, connection| {
        connection.send(match request.header("api-key") {
            Some("good") => "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstrict",
            _ => "HTTP/1.1 401 U\r\ncontent-length: 2\r\n\r\nno",
        });
    });
    let other = RawRegion::named("other");
    let proxy = pair(&strict.url(), &other.url());
    let with_key = |key: &str| CHAT.replace("host: a", &format!("host: a\r\napi-key: {key}"));
    for _ in 0..4 {
        let answer = proxy.ask(&with_key("bad"));
        assert_eq!((answer.status(), answer.text()), (401, "no"));
    }
    assert_eq!(proxy.ask(&with_key("good")).text(), "strict");
}

#[test]
fn when_all_regions_are_throttled_the_client_sees_the_429() {
    let bad =
        RawRegion::answering("HTTP/1.1 429 T\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nslow");
    let proxy = pair(&bad.url(), &bad.url());
    let answer = proxy.ask(CHAT);
    assert_eq!((answer.status(), answer.header("retry-after")), (429, Some("7")));
    assert_eq!((answer.text(), answer.header("x-nearway-attempts")), ("slow", Some("2")));
}

#[test]
fn when_nothing_answers_the_error_names_each_region_and_cause() {
    let answer = pair(&refused(), &refused()).ask(CHAT);
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["error"]["code"], "nearway_unreachable");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("first (connect)") && message.contains("second (connect)"),
        "{message}"
    );
}

#[test]
fn what_creates_state_is_not_sent_twice_unless_it_surely_did_not_arrive() {
    let (bad, good) = (resetting(), RawRegion::named("good"));
    let proxy = Proxy::start(&[region("bad", &bad.url()), region("good", &good.url())]);
    let pinned =
        |name: &str| FILES.replace("host: a", &format!("host: a\r\nx-nearway-region: {name}"));
    assert_eq!(proxy.ask(&pinned("bad")).status(), 502);
    assert_eq!(bad.seen().len(), 1, "a reset after the request was sent");
    let good = RawRegion::named("good");
    assert_eq!(pair(&refused(), &good.url()).ask(FILES).text(), "good");
}

#[test]
fn what_creates_state_is_no_trial_of_a_region_that_failed() {
    let bad = RawRegion::answering("HTTP/1.1 500 S\r\ncontent-length: 0\r\n\r\n");
    let good = RawRegion::named("good");
    let regions = [region("bad", &bad.url()), region("good", &good.url())];
    let pause = Duration::from_millis(300);
    let proxy = Proxy::tuned(&regions, |settings| settings.breaker.pause.least = pause);
    both_answer_as(&proxy, "good");
    assert_eq!(bad.seen().len(), 2, "its breaker is open");
    let (_never, clock) = std::sync::mpsc::channel::<()>();
    let _ = clock.recv_timeout(2 * pause);
    assert_eq!(proxy.ask(FILES).text(), "good");
    assert_eq!(bad.seen().len(), 2);
    assert_eq!(proxy.ask(CHAT).text(), "good");
    assert_eq!(bad.seen().len(), 3, "this one could go elsewhere");
}

#[test]
fn a_body_beyond_the_limit_is_sent_once() {
    let bad = RawRegion::answering("HTTP/1.1 503 S\r\ncontent-length: 0\r\n\r\n");
    let regions = [region("first", &bad.url()), region("second", &bad.url())];
    let proxy = Proxy::holding(&regions, 1024);
    let size = 100_000;
    let request = |size: usize| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n{}",
            "x".repeat(size)
        )
    };
    let answer = proxy.ask(&request(size));
    assert_eq!((answer.status(), answer.header("x-nearway-attempts")), (503, Some("1")));
    let answer = proxy.ask(&request(900));
    assert_eq!((answer.status(), answer.header("x-nearway-attempts")), (503, Some("3")));
}

#[test]
fn a_connection_that_died_while_idle_is_no_error() {
    // answers once on a connection and then closes it without a word
    let region_once = RawRegion::start(|_, connection| {
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nonce");
        connection.stream.shutdown(Shutdown::Both).unwrap();
    });
    let proxy = Proxy::start(&[region("only", &region_once.url())]);
    for _ in 0..30 {
        let answer = proxy.ask(CHAT);
        assert_eq!((answer.status(), answer.header("x-nearway-attempts")), (200, Some("1")));
    }
}

#[test]
fn a_region_that_works_again_is_used_again() {
    static BROKEN: AtomicBool = AtomicBool::new(true);
    let flaky = RawRegion::start(|_, connection| {
        connection.send(if BROKEN.load(Ordering::Relaxed) {
            "HTTP/1.1 500 S\r\ncontent-length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        });
    });
    let proxy = Proxy::start(&[region("only", &flaky.url())]);
    assert_eq!(proxy.ask(CHAT).status(), 500);
    BROKEN.store(false, Ordering::Relaxed);
    assert_eq!(proxy.ask(CHAT).status(), 200, "a cooled region is better than none");
    let returning = "deployment=\"other\",to=\"returning\"} 1\n";
    eventually("its traffic returns", || proxy.metrics.render().contains(returning));
}

#[test]
fn a_region_that_refuses_while_the_body_is_still_coming_is_no_end() {
    for status in ["503 S", "429 T"] {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let go = std::sync::Mutex::new(go);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let busy = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // the head and no more; a warm connection brings none
                let mut head = [0; 4096];
                if matches!(std::io::Read::read(&mut stream, &mut head), Ok(1..)) {
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 3\r\n\r\nbad");
                    std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
                    go.lock().unwrap().send(()).unwrap();
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                }
            }
        });
        let good = RawRegion::named("good");
        let proxy = pair(&busy, &good.url());
        let mut client = proxy.client();
        client.send(
            "POST /openai/deployments/d/chat/completions HTTP/1.1\r\nhost: a\r\n\
             content-length: 200000\r\n\r\n",
        );
        client.send(vec![b'x'; 100_000]);
        wait.recv_timeout(crate::raw::PATIENCE).expect("the first region has refused");
        // longer than a body may take to come home
        let _ = wait.recv_timeout(Duration::from_millis(300));
        client.send(vec![b'x'; 100_000]);
        let answer = client.response();
        assert_eq!((answer.status(), answer.text()), (200, "good"), "{}", answer.head);
        assert_eq!(good.seen().pop().unwrap().body.len(), 200_000);
    }
}

#[test]
fn a_refused_key_of_the_proxys_own_is_not_shown_as_the_clients() {
    let refusing =
        RawRegion::answering("HTTP/1.1 401 PermissionDenied\r\ncontent-length: 2\r\n\r\nno");
    let proxy = Proxy::start(&[region("only", &refusing.url()).key("wrong")]);
    let answer = proxy.ask(CHAT);
    assert_eq!(answer.status(), 502, "{}", answer.text());
    assert!(answer.text().contains("only (unauthorized)"), "{}", answer.text());
}

#[test]
fn when_all_are_throttled_the_client_is_told_the_soonest_way_back() {
    for (first, second, expected) in [
        ("retry-after-ms: 7000", "retry-after: 3", ("3000", "3", "true")),
        ("retry-after: 86400", "retry-after: 100000", ("60000", "60", "false")),
        ("retry-after-ms: 2500", "x-none: 1", ("2500", "3", "true")),
        ("retry-after-ms: 300", "retry-after: 9", ("300", "1", "true")),
        ("retry-after: 0", "retry-after: 9", ("1000", "1", "true")),
    ] {
        let throttled = |hint: &str| {
            let answer = format!("HTTP/1.1 429 T\r\n{hint}\r\ncontent-length: 4\r\n\r\nslow");
            RawRegion::start(move |_, connection| connection.send(&answer))
        };
        let (one, two) = (throttled(first), throttled(second));
        let answer = pair(&one.url(), &two.url()).ask(CHAT);
        let said = ["retry-after-ms", "retry-after", "x-should-retry"].map(|h| answer.all(h));
        assert_eq!((answer.status(), answer.text()), (429, "slow"));
        assert_eq!(said, [[expected.0], [expected.1], [expected.2]], "{first} {second}");
    }
}

#[test]
fn what_one_region_lacks_another_one_has() {
    let lacking = [
        "404 N|{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"no\"}}",
        "404 N|{\"error\":{\"code\":\"404\",\"message\":\"Resource not found\"}}",
        "400 B|{\"error\":{\"code\":\"OperationNotSupported\",\"message\":\"no\"}}",
    ];
    let earned = [
        "404 N|{\"error\":{\"message\":\"No such File object: x\"}}",
        "400 B|{\"error\":{\"code\":\"content_filter\",\"message\":\"no\"}}",
        "404 N|",
    ];
    for (answers, moves_on) in [(lacking, true), (earned, false)] {
        for answer in answers {
            let (status, body) = answer.split_once('|').unwrap();
            let length = body.len();
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
            let first = RawRegion::start(move |_, connection| connection.send(&text));
            let second = RawRegion::named("second");
            let answered = pair(&first.url(), &second.url()).ask(CHAT);
            let expected = if moves_on { "second" } else { body };
            assert_eq!(answered.text(), expected, "{answer}");
        }
    }
}

#[test]
fn what_a_region_said_is_not_lost_when_the_next_one_is_unreachable() {
    let throttled =
        RawRegion::answering("HTTP/1.1 429 T\r\nretry-after: 3\r\ncontent-length: 4\r\n\r\nslow");
    let answer = pair(&throttled.url(), &refused()).ask(CHAT);
    assert_eq!((answer.status(), answer.header("retry-after")), (429, Some("3")));
    assert_eq!(answer.header("x-nearway-region"), Some("first"));
    assert_eq!(answer.header("x-nearway-attempts"), Some("2"), "the first one asked for patience");
}

#[test]
fn a_region_that_may_be_asked_sooner_shortens_the_wait() {
    let throttled =
        RawRegion::answering("HTTP/1.1 429 T\r\nretry-after: 50\r\ncontent-length: 0\r\n\r\n");
    let mute = RawRegion::answering("HTTP/1.1 429 T\r\ncontent-length: 0\r\n\r\n");
    let resetting = resetting();
    // a breaker that opens for 5 s, a cool-down of 5 s, nothing that speaks against it
    for (second, most) in [(refused(), 5), (mute.url(), 5), (resetting.url(), 1)] {
        let answer = pair(&throttled.url(), &second).ask(CHAT);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert_eq!((answer.status(), wait), (429, most), "{}", answer.head);
        assert_eq!(answer.header("x-should-retry"), Some("true"));
    }
}

#[test]
fn a_wait_that_no_sdk_keeps_is_not_asked_for() {
    let closed =
        RawRegion::answering("HTTP/1.1 503 S\r\nretry-after: 86400\r\ncontent-length: 0\r\n\r\n");
    let busy =
        RawRegion::answering("HTTP/1.1 503 S\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n");
    let said = |first: &RawRegion, second: &RawRegion| {
        let regions = [region("first", &first.url()), region("second", &second.url())];
        let proxy = Proxy::tuned(&regions, |settings| settings.attempts = 2);
        let answer = proxy.ask(CHAT);
        assert_eq!(answer.status(), 503);
        ["retry-after", "x-should-retry"].map(|name| answer.header(name).map(str::to_owned))
    };
    let told = |wait: &str, again: &str| [Some(wait.to_owned()), Some(again.to_owned())];
    assert_eq!(said(&closed, &closed), told("60", "false"));
    assert_eq!(said(&busy, &closed), told("30", "true"), "the other one is back before");
    assert_eq!(said(&closed, &busy), [Some("30".to_owned()), None], "as the region says");
}

#[test]
fn the_only_region_is_asked_again_after_a_pause() {
    static FAULTS: AtomicUsize = AtomicUsize::new(2);
    let weak = RawRegion::start(|_, connection| {
        let fails = FAULTS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        connection.send(match fails {
            Ok(_) => "HTTP/1.1 503 S\r\ncontent-length: 3\r\n\r\nbad",
            Err(_) => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood",
        });
    });
    let proxy = Proxy::start(&[region("only", &weak.url())]);
    let answer = proxy.ask(CHAT);
    assert_eq!((answer.text(), answer.header("x-nearway-attempts")), ("good", Some("3")));
    FAULTS.store(1, Ordering::Relaxed);
    assert_eq!(proxy.ask(FILES).status(), 503, "it may have created something");
}

#[test]
fn the_clients_own_timeout_ends_the_attempts() {
    let silent = RawRegion::start(|_, _| {});
    let proxy = Proxy::tuned(&[region("only", &silent.url())], |settings| {
        // beyond what this test waits for
        settings.timeouts.head = Duration::from_secs(3600);
        settings.timeouts.total = Duration::from_secs(3600);
    });
    let impatient = CHAT.replace("\r\n\r\n", "\r\nx-stainless-read-timeout: 0.3\r\n\r\n");
    let answer = proxy.ask(&impatient);
    assert_eq!(answer.status(), 504, "{}", answer.text());
    assert_eq!(answer.header("x-nearway-attempts"), Some("1"));
}

#[test]
fn a_refusal_that_stays_says_so() {
    let pinned = CHAT.replace("\r\n\r\n", "\r\nx-nearway-region: nowhere\r\n\r\n");
    let answer = pair(&refused(), &refused()).ask(&pinned);
    assert_eq!((answer.status(), answer.header("x-should-retry")), (400, Some("false")));
    assert_eq!(answer.header("x-nearway-attempts"), Some("0"));
    let answer = pair(&refused(), &refused()).ask(CHAT);
    assert_eq!((answer.status(), answer.header("x-should-retry")), (502, None));
    assert_eq!(answer.header("x-nearway-attempts"), Some("3"));
}

#[test]
fn a_response_that_is_not_stored_goes_again() {
    let large = "x".repeat(100_000);
    for (body, status) in [
        (r#"{"store":false}"#.to_owned(), 200),
        (format!(r#"{{"input":"{large}","store":false}}"#), 200),
        (r#"{"store":false,"background":true}"#.to_owned(), 503),
        (r#"{"input":"store"}"#.to_owned(), 503),
    ] {
        let bad = RawRegion::answering("HTTP/1.1 503 S\r\ncontent-length: 3\r\n\r\nbad");
        let good = RawRegion::named("good");
        let length = body.len();
        let request = format!(
            "POST /v1/responses HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let answer = pair(&bad.url(), &good.url()).ask(&request);
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
}

#[test]
fn what_a_region_lacks_is_remembered_if_another_one_has_it() {
    const LACKS: &str = "HTTP/1.1 404 N\r\ncontent-length: 39\r\n\r\n\
                         {\"error\":{\"code\":\"DeploymentNotFound\"}}\n";
    let (first, second) = (RawRegion::answering(LACKS), RawRegion::named("second"));
    let proxy = pair(&first.url(), &second.url());
    let chat = CHAT.replace("/v1/", "/openai/deployments/gpt-4o/");
    let named = Proxy::tuned(
        &[region("first", &first.url()), region("second", &second.url())],
        |settings| settings.metric_deployments = vec!["gpt-4o".into()],
    );
    for _ in 0..3 {
        assert_eq!(named.ask(&chat).text(), "second");
    }
    assert_eq!(first.seen().len(), 1, "a deployment that is measured");
    assert_eq!(proxy.ask(&chat).text(), "second");
    assert_eq!(proxy.ask(&chat).text(), "second");
    assert_eq!(first.seen().len(), 3, "any name may be asked for: nothing is learned");

    let none = Proxy::tuned(
        &[region("first", &first.url()), region("second", &first.url())],
        |settings| settings.metric_deployments = vec!["gpt-4o".into()],
    );
    for _ in 0..2 {
        assert_eq!(none.ask(&chat).status(), 404);
    }
    assert_eq!(first.seen().len(), 7, "what nobody has was the request's mistake");
}

#[test]
fn a_region_whose_quota_is_nearly_spent_is_spared() {
    let nearly = RawRegion::answering(
        "HTTP/1.1 200 OK\r\nx-ratelimit-remaining-requests: 1\r\nx-ratelimit-limit-requests: 450\r\n\
         content-length: 5\r\n\r\nfirst",
    );
    let second = RawRegion::named("second");
    let proxy = pair(&nearly.url(), &second.url());
    assert_eq!(proxy.ask(CHAT).text(), "first");
    both_answer_as(&proxy, "second");
}

fn without_last_resort(first: &str, second: &str) -> Proxy {
    Proxy::tuned(&[region("first", first), region("second", second)], |settings| {
        settings.last_resort = false;
        settings.cooldown.cap = Duration::from_secs(3600);
    })
}

#[test]
fn without_a_last_resort_a_request_is_refused_with_each_regions_state_and_the_soonest_way_back() {
    let throttled = |seconds: u64| {
        RawRegion::start(move |_, connection| {
            let head = format!("HTTP/1.1 429 T\r\nretry-after: {seconds}\r\n");
            connection.send(format!("{head}content-length: 4\r\n\r\nslow"));
        })
    };
    let (short, long) = (throttled(30), throttled(900));
    let gone = refused();
    for (first, second, states, seconds, again) in [
        (&gone, &short.url(), "first (open), second (cooled)", 1..=5, "true"),
        (&long.url(), &short.url(), "first (cooled), second (cooled)", 6..=30, "true"),
        (&long.url(), &long.url(), "first (cooled), second (cooled)", 60..=60, "false"),
    ] {
        let proxy = without_last_resort(first, second);
        let answer = proxy.ask(CHAT);
        assert_eq!((answer.status(), answer.header("x-nearway-attempts")), (429, Some("2")));
        let asked = [&short, &long].map(|region| region.seen().len());
        let answer = proxy.ask(CHAT);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status(), 503, "{body}");
        assert_eq!(body["error"]["code"], "nearway_all_regions_out");
        assert_eq!(body["error"]["message"], format!("No region is fit to answer now: {states}."));
        let number = |name: &str| answer.header(name).unwrap().parse::<u64>().unwrap();
        assert!(seconds.contains(&number("retry-after")), "{}", answer.head);
        let millis = number("retry-after-ms");
        assert_eq!(millis.div_ceil(1000), number("retry-after"), "{}", answer.head);
        assert_eq!(answer.header("x-should-retry"), Some(again));
        assert_eq!(answer.header("x-nearway-attempts"), Some("0"));
        assert_eq!([&short, &long].map(|region| region.seen().len()), asked, "nobody was asked");
        let pinned = CHAT.replace("\r\n\r\n", "\r\nx-nearway-region: first\r\n\r\n");
        let message = proxy.ask(&pinned).text().to_owned();
        let (of_first, _) = states.split_once(',').unwrap();
        assert!(message.contains(&format!("now: {of_first}.")), "{message}");
    }
}

#[test]
fn without_a_last_resort_nobody_waits_for_a_region_that_stays_out() {
    let gone = refused();
    let answer = without_last_resort(&gone, &gone).ask(CHAT);
    assert_eq!((answer.status(), answer.header("x-nearway-attempts")), (502, Some("2")));
    let good = RawRegion::named("good");
    both_answer_as(&without_last_resort(&gone, &good.url()), "good");
}

#[test]
fn without_a_last_resort_a_deployment_of_nobody_is_still_told_as_such() {
    let good = RawRegion::named("good");
    let only = region("only", &good.url()).renames("gpt-4o", "x");
    let proxy = Proxy::tuned(&[only], |settings| settings.last_resort = false);
    let answer = proxy.ask(&CHAT.replace("/v1/", "/openai/deployments/other/"));
    assert!(answer.text().contains("nearway_no_region"), "{}", answer.text());
}
