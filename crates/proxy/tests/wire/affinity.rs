//! Requests that belong together stay in the region that answered them, while that is not much slower, and
//! never where they may not or can not go.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nearway_proxy::{AffinitySettings, Clients, Settings};

use crate::harness::{Proxy, client, region};
use crate::raw::{Client, PATIENCE, RawRegion};

const PIN: &str = "x-nearway-region: second\r\n";
const WHY: &str = "x-nearway-reason: 1\r\n";

/// Prompts from 1,024 tokens on, for a bound that no difference between regions of the tests exceeds.
const PREFIX: AffinitySettings = AffinitySettings {
    prompts_from: Some(1_024),
    bound_per_1k_tokens: Duration::from_secs(1),
    bound_max: Duration::from_secs(60),
    ttl: Duration::from_secs(600),
};
const SESSION: AffinitySettings = AffinitySettings { prompts_from: None, ..PREFIX };

fn chat(fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{fields}content-length: {length}\r\n\r\n\
         {body}"
    )
}

/// A conversation that begins like this, of so many bytes, and ends like that.
fn talk(begins: &str, bytes: usize, ends: &str) -> String {
    let system: String = format!("{begins} ").repeat(bytes).chars().take(bytes).collect();
    format!(r#"{{"messages":["{system}","{ends}"],"model":"gpt-4o"}}"#)
}

/// About 2,000 tokens.
fn long(begins: &str, ends: &str) -> String {
    talk(begins, 8_000, ends)
}

/// Two regions of which `first` is a little faster.
fn two(affinity: Option<AffinitySettings>, tune: impl FnOnce(&mut Settings)) -> Proxy {
    let (first, second) = (RawRegion::named("first"), RawRegion::named("second"));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    Proxy::adaptive(&regions, |settings| {
        settings.affinity = affinity;
        tune(settings);
    })
}

/// Who answers a request with these header fields and this body, and why.
fn asked(proxy: &Proxy, fields: &str, body: &str) -> (String, String) {
    let answer = proxy.ask(&chat(&format!("{WHY}{fields}"), body));
    let why = answer.header("x-nearway-reason").unwrap_or_default();
    (answer.text().to_owned(), why.split(';').next().unwrap().to_owned())
}

fn goes(proxy: &Proxy, fields: &str, body: &str) -> String {
    asked(proxy, fields, body).0
}

fn counted(proxy: &Proxy, result: &str) -> bool {
    proxy.metrics.render().contains(&format!("nearway_affinity_total{{result={result}\n"))
}

#[test]
fn a_long_prompt_stays_where_its_beginning_is_cached_and_others_do_not_follow() {
    let proxy = two(Some(PREFIX), |_| {});
    assert_eq!(asked(&proxy, "", &long("a", "1")), ("first".into(), "leads".into()));
    assert_eq!(goes(&proxy, PIN, &long("a", "2")), "second");
    assert_eq!(asked(&proxy, "", &long("a", "3")), ("second".into(), "home".into()));
    assert_eq!(goes(&proxy, "", &long("b", "3")), "first", "another prompt");
    assert_eq!(goes(&proxy, PIN, &talk("a", 3_000, "1")), "second");
    assert_eq!(goes(&proxy, "", &talk("a", 3_000, "2")), "first", "a short one");
    assert_eq!(goes(&proxy, "", &long("a", "4")), "second");
    let other = long("a", "5").replace("gpt-4o", "o3");
    assert_eq!(goes(&proxy, "", &other), "first", "another deployment");
    assert!(counted(&proxy, "\"new\"} 3"), "{}", proxy.metrics.render());
    assert!(counted(&proxy, "\"moved\"} 1") && counted(&proxy, "\"kept\"} 2"));
}

#[test]
fn it_stays_by_the_averages_too() {
    let (first, second) = (RawRegion::named("first"), RawRegion::named("second"));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let average = |bound_max| {
        Proxy::tuned(&regions, |settings| {
            settings.metric_deployments = vec!["gpt-4o".into()];
            settings.affinity = Some(AffinitySettings { bound_max, ..PREFIX });
        })
    };
    for (bound, expected) in
        [(Duration::from_millis(1), ("second", "home")), (Duration::ZERO, ("first", "order"))]
    {
        let proxy = average(bound);
        assert_eq!(goes(&proxy, PIN, &long("a", "1")), "second");
        let (region, why) = asked(&proxy, "", &long("a", "2"));
        assert_eq!((&*region, &*why), expected);
    }
}

#[test]
fn a_region_that_is_slower_by_more_than_the_bound_is_left() {
    let bound_max = Duration::from_millis(10);
    let proxy = two(Some(AffinitySettings { bound_max, ..PREFIX }), |_| {});
    assert_eq!(goes(&proxy, PIN, &long("a", "1")), "second");
    assert_eq!(asked(&proxy, "", &long("a", "2")), ("first".into(), "leads".into()));
    assert!(counted(&proxy, "\"moved\"} 1"));
}

#[test]
fn nobody_stays_for_a_cache_that_is_not_there() {
    for (cached, stays) in [(0, false), (1_900, true)] {
        let answer = format!(
            r#"{{"id":"second","usage":{{"prompt_tokens":2000,"prompt_tokens_details":{{"cached_tokens":{cached}}}}}}}"#
        );
        let length = answer.len();
        let second = RawRegion::start(move |_, connection| {
            connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{answer}"));
        });
        let first = RawRegion::named("first");
        let regions = [region("first", &first.url()), region("second", &second.url())];
        let bound_max = Duration::from_secs(1);
        let proxy = Proxy::adaptive(&regions, |settings| {
            settings.affinity = Some(AffinitySettings { bound_max, ..PREFIX });
        });
        goes(&proxy, PIN, &long("a", "1"));
        assert_eq!(asked(&proxy, "", &long("a", "2")).1, "home", "it may have it");
        // a pin sends them there all the while
        (0..100).for_each(|_| _ = goes(&proxy, PIN, &long("a", "3")));
        assert_eq!(asked(&proxy, "", &long("a", "4")).1 == "home", stays, "{cached} cached");
    }
}

#[test]
fn a_region_of_a_worse_tier_is_left() {
    let proxy = two(Some(PREFIX), |settings| settings.regions[1].tier = 1);
    assert_eq!(goes(&proxy, PIN, &long("a", "1")), "second");
    assert_eq!(goes(&proxy, "", &long("a", "2")), "first");
}

#[test]
fn a_region_that_refuses_is_left_and_its_prompts_live_where_they_are_answered() {
    let full = Arc::new(AtomicBool::new(false));
    let is_full = full.clone();
    let second = RawRegion::start(move |_, connection| {
        let answer = match is_full.load(Ordering::SeqCst) {
            true => "HTTP/1.1 429 T\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n",
            false => "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond",
        };
        connection.send(answer);
    });
    let first = RawRegion::named("first");
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::adaptive(&regions, |settings| settings.affinity = Some(PREFIX));
    for begins in ["a", "b"] {
        assert_eq!(goes(&proxy, PIN, &long(begins, "1")), "second");
    }
    full.store(true, Ordering::SeqCst);
    let attempts = |body: &str| {
        let answer = proxy.ask(&chat("", body));
        assert_eq!(answer.text(), "first");
        answer.header("x-nearway-attempts").unwrap().to_owned()
    };
    assert_eq!(attempts(&long("a", "2")), "2");
    assert_eq!(attempts(&long("b", "2")), "1", "it is cooled");
    assert!(counted(&proxy, "\"moved\"} 2"), "{}", proxy.metrics.render());
    assert_eq!(asked(&proxy, "", &long("a", "3")), ("first".into(), "home".into()));
}

#[test]
fn an_answer_that_is_an_error_makes_no_home() {
    let first = RawRegion::named("first");
    let second = RawRegion::answering("HTTP/1.1 400 B\r\ncontent-length: 2\r\n\r\nno");
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::adaptive(&regions, |settings| settings.affinity = Some(PREFIX));
    assert_eq!(goes(&proxy, PIN, &long("a", "1")), "no");
    assert_eq!(goes(&proxy, "", &long("a", "2")), "first");
    assert!(counted(&proxy, "\"new\"} 1") && counted(&proxy, "\"kept\"} 0"));
}

#[test]
fn two_clients_do_not_share() {
    let (first, second) = (RawRegion::named("first"), RawRegion::named("second"));
    let regions =
        [region("first", &first.url()).key("r1"), region("second", &second.url()).key("r2")];
    let proxy = Proxy::adaptive(&regions, |settings| {
        settings.affinity = Some(PREFIX);
        let [one, other] = ["one", "other"].map(|name| client(name, name, &[true, true]));
        settings.clients = Some(Clients::new(vec![one, other]));
    });
    let key = |name: &str, more: &str| format!("api-key: {name}\r\n{more}");
    assert_eq!(goes(&proxy, &key("one", PIN), &long("a", "1")), "second");
    assert_eq!(goes(&proxy, &key("other", ""), &long("a", "1")), "first");
    assert_eq!(goes(&proxy, &key("one", ""), &long("a", "1")), "second");
}

#[test]
fn off_is_off_and_no_region_hears_of_sessions() {
    let seen = RawRegion::named("first");
    let second = RawRegion::named("second");
    let session = "x-nearway-session: s-1\r\n";
    for affinity in [None, Some(PREFIX), Some(SESSION)] {
        let regions = [region("first", &seen.url()), region("second", &second.url())];
        let proxy = Proxy::adaptive(&regions, |settings| settings.affinity = affinity);
        let pinned = format!("{session}{PIN}");
        assert_eq!(goes(&proxy, &pinned, &long("a", "1")), "second");
        let expected = if affinity.is_some() { "second" } else { "first" };
        assert_eq!(goes(&proxy, session, &long("a", "2")), expected);
    }
    let all = [seen.seen(), second.seen()].concat();
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|request| request.header("x-nearway-session").is_none()));
}

#[test]
fn in_session_mode_those_stay_that_say_so_whatever_their_size() {
    let (first, second) = (RawRegion::named("first"), RawRegion::named("second"));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    // by the averages they are nearer to each other than the least bound
    let proxy = Proxy::tuned(&regions, |settings| {
        settings.metric_deployments = vec!["gpt-4o".into()];
        settings.affinity = Some(SESSION);
    });
    assert_eq!(goes(&proxy, PIN, &long("a", "1")), "second");
    assert_eq!(goes(&proxy, "", &long("a", "1")), "first", "a prompt says nothing");
    let body = |more: &str| format!(r#"{{"model":"gpt-4o","messages":["hi"]{more}}}"#);
    for (field, more) in [
        ("x-nearway-session: KEY\r\n", ""),
        ("", r#","prompt_cache_key":"KEY""#),
        ("", r#","user":"KEY""#),
    ] {
        let goes_for = |key: &str, pin: &str| {
            let [field, more] = [field, more].map(|text| text.replace("KEY", key));
            goes(&proxy, &format!("{field}{pin}"), &body(&more))
        };
        assert_eq!(goes_for("k", PIN), "second");
        assert_eq!(goes_for("k", ""), "second", "{field}{more}");
        assert_eq!(goes_for("other", ""), "first", "{field}{more}");
    }
    let named = body(r#","user":"k""#);
    let elsewhere = "x-nearway-session: new\r\n";
    assert_eq!(goes(&proxy, elsewhere, &named), "first", "the header comes before the body");
}

#[test]
fn a_session_in_the_head_stays_whatever_its_size_and_what_caches_are_worth() {
    let proxy = two(Some(PREFIX), |_| {});
    let short = r#"{"model":"gpt-4o","messages":["hi"]}"#;
    let session = "x-nearway-session: s-1\r\n";
    assert_eq!(goes(&proxy, &format!("{session}{PIN}"), short), "second");
    assert_eq!(goes(&proxy, session, short), "second");
    assert_eq!(goes(&proxy, "x-nearway-session: s-2\r\n", short), "first");
}

#[test]
fn in_prefix_mode_a_key_comes_before_the_prompt_from_the_same_size_on() {
    let proxy = two(Some(PREFIX), |_| {});
    let keyed = |begins: &str, bytes| talk(begins, bytes, r#""],"user":"u","x":[""#);
    assert_eq!(goes(&proxy, PIN, &keyed("a", 8_000)), "second");
    assert_eq!(goes(&proxy, "", &keyed("b", 8_000)), "second");
    assert_eq!(goes(&proxy, "", &long("a", "1")), "first", "it has no key");
    assert_eq!(goes(&proxy, "", &keyed("b", 3_000)), "first", "too short");
}

/// Names the deployment itself, so that no body is searched for it.
const PATH: &str = "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n";

#[test]
fn a_body_that_streams_is_looked_at_as_far_as_it_has_arrived() {
    let proxy = two(Some(PREFIX), |_| {});
    let length = |fields: &str, body: &str| {
        proxy.ask(&format!("{PATH}{fields}content-length: {}\r\n\r\n{body}", body.len()))
    };
    let huge = |ends: &str| talk("a", 200_000, ends);
    assert_eq!(length(PIN, &huge("1")).text(), "second");
    assert_eq!(length("", &huge("2")).text(), "second");
    assert_eq!(length("", &talk("b", 200_000, "2")).text(), "first");
    let chunked = |fields: &str, body: &str| {
        let (head, size) =
            (format!("{PATH}{fields}transfer-encoding: chunked\r\n\r\n"), body.len());
        proxy.ask(&format!("{head}{size:x}\r\n{body}\r\n0\r\n\r\n"))
    };
    assert_eq!(chunked("", &long("a", "3")).text(), "second");
    assert_eq!(chunked("", &long("b", "3")).text(), "first");
}

/// A region, and its connections once a head has come over them.
fn heads() -> (String, Receiver<Client>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (tell, mut connection) = (tell.clone(), Client::over(stream.unwrap()));
            std::thread::spawn(move || {
                // a warm connection may wait for longer than a test is patient, and brings none
                connection.stream.set_read_timeout(None).unwrap();
                if connection.until("\r\n\r\n").is_some() {
                    let _ = tell.send(connection);
                }
            });
        }
    });
    (url, told)
}

#[test]
fn nobody_waits_for_the_beginning_of_a_prompt() {
    let body = talk("a", 200_000, "1");
    let length = body.len();
    for (fields, sent) in [("", 0), ("", 100), ("expect: 100-continue\r\n", 0)] {
        let (url, heads) = heads();
        let proxy =
            Proxy::adaptive(&[region("only", &url)], |settings| settings.affinity = Some(PREFIX));
        let mut client = proxy.client();
        let (sent, rest) = body.split_at(sent);
        client.send(format!("{PATH}{fields}content-length: {length}\r\n\r\n{sent}"));
        // the region has the head while the client still holds the rest
        let mut region = heads.recv_timeout(PATIENCE).expect("a head");
        client.send(rest);
        assert_eq!(region.exactly(length), body.as_bytes());
        region.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        let mut answer = client.response();
        if answer.status() == 100 {
            answer = client.response();
        }
        assert_eq!(answer.text(), "ok");
    }
}
