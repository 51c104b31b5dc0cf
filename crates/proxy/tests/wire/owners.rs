//! Who owns what: learned from bytes as they pass, followed wherever an id stands, asked for without a side effect.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use nearway_proxy::{Clients, Settings};

use crate::harness::{Proxy, client, places, region};
use crate::raw::{Client, RawRegion, Response, refused};

const PIN: &str = "x-nearway-region: second\r\n";
const JSON: &str = "content-type: application/json\r\n";

fn post(path: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\n{JSON}{fields}content-length: {length}\r\n\r\n{body}"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn say(connection: &mut Client, status: &str, fields: &str, body: impl AsRef<[u8]>) {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{JSON}{fields}content-length: {}\r\n\r\n", body.len());
    connection.send([head.as_bytes(), body].concat());
}

/// A region that knows one object, `{name}-object`, by whatever request, and makes others, `{name}-new`.
fn keeper(name: &'static str) -> RawRegion {
    RawRegion::start(move |request, connection| {
        let text = format!("{}{}", request.head, String::from_utf8_lossy(&request.body));
        let names_one = ["first-object", "second-object", "nobodys-object"]
            .iter()
            .find(|id| text.contains(**id));
        match names_one {
            Some(id) if !id.starts_with(name) => {
                let error = format!(
                    r#"{{"error":{{"message":"No such File object: {id}","type":"invalid_request_error","param":"id","code":null}}}}"#
                );
                say(connection, "404 Not Found", "", error);
            }
            _ => say(connection, "200 OK", "", format!(r#"{{"id":"{name}-new"}}"#)),
        }
    })
}

/// Two keepers, of which `first` leads.
struct Two {
    first: RawRegion,
    second: RawRegion,
    proxy: Proxy,
}

fn two(tune: impl FnOnce(&mut Settings)) -> Two {
    let (first, second) = (keeper("first"), keeper("second"));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, tune);
    Two { first, second, proxy }
}

/// The requests that a region has seen, by method and target.
fn seen(region: &RawRegion) -> Vec<String> {
    let line = |request: &Response| {
        let mut words = request.head.split(' ');
        format!("{} {}", words.next().unwrap(), words.next().unwrap())
    };
    region.seen().iter().map(line).collect()
}

fn by(answer: &Response) -> (u16, &str) {
    (answer.status(), answer.header("x-nearway-region").unwrap_or_default())
}

#[test]
fn an_id_is_followed_wherever_it_stands() {
    let Two { proxy, .. } = two(|_| {});
    assert_eq!(by(&proxy.ask(&post("/v1/files", PIN, "{}"))), (200, "second"));
    let form =
        "--b\r\ncontent-disposition: form-data; name=\"file_id\"\r\n\r\nsecond-new\r\n--b--\r\n";
    let form = format!(
        "POST /v1/containers/x/files HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=b\r\n\
         content-length: {}\r\n\r\n{form}",
        form.len()
    );
    let long = "x".repeat(200_000);
    for request in [
        get("/v1/files/second-new/content"),
        get("/openai/v1/files/second%2Dnew"),
        get("/v1/realtime?call_id=second-new"),
        form.replace("/x/", "/second-new/"),
        post("/v1/batches", "", r#"{"endpoint":"/v1/responses","input_file_id":"second-new"}"#),
        post("/v1/threads/runs", "", r#"{"assistant_id":"second-new"}"#),
        post("/v1/vector_stores", "", r#"{"file_ids":["second-new"]}"#),
        post("/v1/responses", "", r#"{"model":"m","previous_response_id":"second-new"}"#),
        post(
            "/v1/responses",
            "",
            &format!(r#"{{"model":"m","input":"{long}","previous_response_id":"second-new"}}"#),
        ),
        post("/v1/responses", "", r#"{"model":"m","conversation":{"id":"second-new"}}"#),
        post(
            "/v1/responses",
            "",
            r#"{"model":"m","input":[{"type":"reasoning","encrypted_content":"second-new"}]}"#,
        ),
        post(
            "/v1/responses",
            "",
            r#"{"model":"m","tools":[{"type":"file_search","vector_store_ids":["second-new"]}]}"#,
        ),
        post(
            "/openai/deployments/m/chat/completions?api-version=1",
            "",
            r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"second-new"}}]}]}"#,
        ),
    ] {
        let answer = proxy.ask(&request);
        assert_eq!(by(&answer), (200, "second"), "{request:.200}\n{}", answer.text());
        assert_eq!(answer.header("x-nearway-attempts"), Some("1"), "{request:.200}");
    }
    for request in [
        post(
            "/v1/responses",
            "",
            r#"{"model":"m","metadata":{"previous_response_id":"second-new"},"input":"second-new"}"#,
        ),
        post(
            "/v1/chat/completions",
            "",
            r#"{"model":"m","messages":[{"content":"{\"file_id\":\"second-new\"}"}]}"#,
        ),
        post("/v1/embeddings", "", r#"{"model":"m","input":"x","file_id":"second-new"}"#),
    ] {
        assert_eq!(by(&proxy.ask(&request)), (200, "first"), "{request}");
    }
}

#[test]
fn ids_are_learned_of_lists_streams_and_what_is_packed() {
    let packed = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(br#"{"id":"packed"}"#).unwrap();
        encoder.finish().unwrap()
    };
    let second = RawRegion::start(move |request, connection| {
        let head = &request.head;
        if head.starts_with("GET /v1/files ") {
            say(
                connection,
                "200 OK",
                "",
                r#"{"object":"list","data":[{"id":"listed"},{"id":"listed-2"}]}"#,
            );
        } else if head.starts_with("POST /v1/responses ") {
            let event = |name: &str, data: &str| format!("event: {name}\r\ndata: {data}\r\n\r\n");
            let events = [
                event(
                    "response.created",
                    r#"{"type":"response.created","response":{"id":"streamed"}}"#,
                ),
                event("response.output_text.delta", r#"{"item_id":"x","delta":"id"}"#),
                event(
                    "response.output_item.done",
                    r#"{"item":{"id":"item","encrypted_content":"gAAAA"}}"#,
                ),
            ];
            let events = events.concat();
            connection.send(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{events}",
                events.len()
            ));
        } else if head.starts_with("POST /v1/assistants ") {
            say(connection, "200 OK", "content-encoding: gzip\r\n", &packed);
        } else if head.starts_with("POST /v1/realtime/calls ") {
            connection.send(
                "HTTP/1.1 201 C\r\nlocation: /v1/realtime/calls/rtc_1\r\ncontent-length: 0\r\n\r\n",
            );
        } else {
            say(connection, "200 OK", "", "{}");
        }
    });
    let first = RawRegion::named("first");
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |_| {});
    let list = format!("GET /v1/files HTTP/1.1\r\nhost: a\r\n{PIN}\r\n");
    for request in [
        list,
        post("/v1/responses", PIN, r#"{"model":"m"}"#),
        post("/v1/assistants", PIN, r#"{"model":"m"}"#),
        post("/v1/realtime/calls", PIN, "{}"),
    ] {
        assert!(proxy.ask(&request).status() < 300, "{request}");
    }
    for (path, body) in [
        ("/v1/batches", r#"{"input_file_id":"listed-2"}"#),
        ("/v1/responses", r#"{"model":"m","previous_response_id":"streamed"}"#),
        ("/v1/responses", r#"{"model":"m","input":[{"encrypted_content":"gAAAA"}]}"#),
        ("/v1/threads/runs", r#"{"assistant_id":"packed"}"#),
        ("/v1/realtime/calls/rtc_1/hangup", "{}"),
    ] {
        assert_eq!(by(&proxy.ask(&post(path, "", body))), (200, "second"), "{path} {body}");
    }
}

#[test]
fn what_could_do_something_in_the_wrong_region_is_asked_for_first() {
    let Two { first, second, proxy } = two(|_| {});
    let batch = r#"{"input_file_id":"second-object"}"#;
    for attempts in ["3", "1"] {
        let made = proxy.ask(&post("/openai/batches?api-version=1", "api-key: k\r\n", batch));
        assert_eq!(by(&made), (200, "second"), "{}", made.text());
        assert_eq!(made.header("x-nearway-attempts"), Some(attempts));
    }
    let question = "GET /openai/files/second-object?api-version=1";
    assert_eq!(seen(&first), [question]);
    let batch_target = "POST /openai/batches?api-version=1";
    assert_eq!(seen(&second), [question, batch_target, batch_target]);
    let asked = &first.seen()[0];
    assert_eq!((asked.header("content-length"), asked.header("content-type")), (None, None));
    assert_eq!(asked.header("api-key"), Some("k"), "the client's own, where the region has none");
    assert_eq!(second.seen()[1].text(), batch);
    let metrics = proxy.metrics.render();
    for line in ["searches_total{result=\"found\"} 1\n", "search_requests_total 1\n"] {
        assert!(metrics.contains(&format!("nearway_state_{line}")), "{line}{metrics}");
    }
}

#[test]
fn a_client_that_wants_to_know_is_told() {
    let Two { proxy, .. } = two(|settings| settings.state.home = Some(settings.regions[1].id));
    let why = |request: &str| {
        let asks = request.replace("host: a", "host: a\r\nx-nearway-reason: 1");
        let answer = proxy.ask(&asks);
        let why = answer.header("x-nearway-reason").unwrap().split(';').next().unwrap().to_owned();
        (answer.header("x-nearway-region").unwrap().to_owned(), why)
    };
    let at = |region: &str, why: &str| (region.to_owned(), why.to_owned());
    assert_eq!(why(&post("/v1/files", "", "{}")), at("second", "state_home"));
    assert_eq!(why(&get("/v1/files")), at("second", "state_home"));
    assert_eq!(why(&get("/v1/files/second-new")), at("second", "owner"));
    assert_eq!(why(&post("/v1/embeddings", "", "{}")), at("first", "order"));
}

#[test]
fn nobodys_object_goes_to_one_region_which_says_so() {
    let Two { first, second, proxy } = two(|_| {});
    let batch = r#"{"input_file_id":"nobodys-object"}"#;
    for _ in 0..2 {
        assert_eq!(by(&proxy.ask(&post("/v1/batches", "", batch))), (404, "first"));
    }
    let question = "GET /v1/files/nobodys-object";
    assert_eq!(seen(&first), [question, "POST /v1/batches", "POST /v1/batches"]);
    assert_eq!(seen(&second), [question]);
}

#[test]
fn while_a_region_can_not_be_asked_nothing_is_sent_and_nothing_is_missing() {
    let first = keeper("first");
    let regions = [region("first", &first.url()), region("second", &refused())];
    let proxy = Proxy::tuned(&regions, |_| {});
    for request in [
        post("/v1/batches", "", r#"{"input_file_id":"second-object"}"#),
        get("/v1/files/second-object"),
        post("/v1/responses", "", r#"{"model":"m","previous_response_id":"second-object"}"#),
    ] {
        let answer = proxy.ask(&request);
        assert_eq!(answer.status(), 503, "{}", answer.text());
        assert!(answer.text().contains("nearway_owner_unknown"), "{}", answer.text());
        assert!(
            answer.text().contains("second-object") && answer.text().contains("second (connect)")
        );
    }
    assert!(seen(&first).iter().all(|line| !line.starts_with("POST /v1/batches")));
}

#[test]
fn plain_items_say_where_to_try_first_and_bind_nobody() {
    let up = keeper("second");
    let regions = [region("first", &keeper("first").url()), region("second", &up.url())];
    let proxy = Proxy::tuned(&regions, |_| {});
    assert_eq!(by(&proxy.ask(&post("/v1/responses", PIN, r#"{"model":"m"}"#))), (200, "second"));
    let items = r#"{"model":"m","store":false,"input":[{"type":"message","id":"second-new"},{"type":"message","id":"msg-of-the-client"}]}"#;
    assert_eq!(by(&proxy.ask(&post("/v1/responses", "", items))), (200, "second"));
    // what a client calls so is nobody's
    let own = r#"{"model":"m","input":[{"type":"message","id":"msg-of-the-client"}]}"#;
    assert_eq!(by(&proxy.ask(&post("/v1/responses", "", own))), (200, "first"));

    let gone = [region("first", &keeper("first").url()), region("second", &refused())];
    let proxy = Proxy::tuned(&gone, |_| {});
    let learned = r#"{"model":"m","store":false,"input":[{"id":"first-new"}]}"#;
    assert_eq!(by(&proxy.ask(&post("/v1/responses", "", learned))), (200, "first"));
}

#[test]
fn a_fence_goes_before_an_owner() {
    let Two { first, second, proxy } = two(|settings| {
        let [one, other] = [("one", [true, true]), ("other", [true, false])]
            .map(|(name, places)| client(name, name, &places));
        settings.clients = Some(Clients::new(vec![one, other]));
    });
    let key = |name: &str| format!("api-key: {name}\r\n");
    let made = proxy.ask(&post("/v1/files", &format!("{}{PIN}", key("one")), "{}"));
    assert_eq!(by(&made), (200, "second"));
    let asked = |name: &str, id: &str| {
        proxy.ask(&format!("GET /v1/files/{id} HTTP/1.1\r\nhost: a\r\n{}\r\n", key(name)))
    };
    assert_eq!(by(&asked("one", "second-new")), (200, "second"));
    let refused = asked("other", "second-new");
    assert_eq!(refused.status(), 403, "{}", refused.text());
    assert!(refused.text().contains("nearway_owner_not_allowed"), "{}", refused.text());
    assert!(!refused.text().contains("region second"), "{}", refused.text());
    // nor is it looked for there, and what one client did not find another one may
    assert_eq!(asked("other", "second-object").status(), 404);
    assert_eq!(seen(&second).len(), 2);
    assert_eq!(by(&asked("one", "second-object")), (200, "second"));
    assert_eq!(seen(&first).len(), 2);
}

#[test]
fn an_owner_that_is_known_to_be_out_is_not_waited_for() {
    let (first, second) = (
        keeper("first"),
        RawRegion::start(|request, connection| {
            if request.head.starts_with("POST") {
                say(connection, "200 OK", "", r#"{"id":"second-new"}"#);
            } else {
                connection.send("HTTP/1.1 500 E\r\ncontent-length: 4\r\n\r\noops");
            }
        }),
    );
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |_| {});
    assert_eq!(by(&proxy.ask(&post("/v1/files", PIN, "{}"))), (200, "second"));
    // the owner's own error, as it is
    for _ in 0..2 {
        let answer = proxy.ask(&get("/v1/files/second-new"));
        assert_eq!((answer.status(), answer.text()), (500, "oops"));
        assert_eq!(answer.header("x-nearway-attempts"), Some("1"));
    }
    // two in a row open its breaker
    let answer = proxy.ask(&get("/v1/files/second-new"));
    assert_eq!(answer.status(), 503, "{}", answer.text());
    assert!(
        answer.text().contains("second-new lives in region second, which is out"),
        "{}",
        answer.text()
    );
    assert!(seen(&first).is_empty(), "nobody else was asked");
}

/// A region that knows these objects, and says so of no other that looks like one.
fn knowing(ids: &'static [&'static str]) -> RawRegion {
    RawRegion::start(move |request, connection| {
        let text = format!("{}{}", request.head, String::from_utf8_lossy(&request.body));
        let named = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let mut unknown = named.filter(|word| word.starts_with("id-") && !ids.contains(word));
        match unknown.next() {
            Some(id) => {
                let error = format!(r#"{{"error":{{"message":"No such File object: {id}"}}}}"#);
                say(connection, "404 Not Found", "", error);
            }
            None => say(connection, "200 OK", "", "{}"),
        }
    })
}

#[test]
fn what_is_missing_inside_of_an_object_says_nothing_of_that() {
    let (first, second) = (knowing(&[]), knowing(&["id-store", "id-file"]));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |_| {});
    let attempts = |path: &str| {
        let answer = proxy.ask(&get(path));
        (answer.status(), answer.header("x-nearway-attempts").unwrap().to_owned())
    };
    // cold: nobody knows which of the two is missing
    assert_eq!(attempts("/v1/vector_stores/id-store/files/id-gone"), (404, "2".into()));
    assert_eq!(attempts("/v1/vector_stores/id-store"), (200, "2".into()));
    assert_eq!(attempts("/v1/vector_stores/id-store/files/id-gone"), (404, "1".into()));
    assert_eq!(attempts("/v1/vector_stores/id-store"), (200, "1".into()));
    let taken_out = "DELETE /v1/vector_stores/id-store/files/id-file HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(by(&proxy.ask(taken_out)), (200, "second"));
    assert_eq!(attempts("/v1/vector_stores/id-store"), (200, "1".into()));
}

#[test]
fn beside_a_known_object_an_unknown_one_is_asked_for_before_anything_is_sent() {
    let (first, second) = (knowing(&["id-a", "id-c"]), knowing(&["id-b"]));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |_| {});
    assert_eq!(by(&proxy.ask(&get("/v1/files/id-a"))), (200, "first"));
    let tuning = |training: &str, validation: &str| {
        let body = format!(r#"{{"training_file":"{training}","validation_file":"{validation}"}}"#);
        proxy.ask(&post("/v1/fine_tuning/jobs", "", &body))
    };
    let refused = tuning("id-a", "id-b");
    assert_eq!(refused.status(), 409, "{}", refused.text());
    assert!(
        refused.text().contains("id-a lives in first, id-b lives in second"),
        "{}",
        refused.text()
    );
    let posts =
        |region: &RawRegion| seen(region).iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!((posts(&first), posts(&second)), (0, 0));
    // the region of the known one is asked first
    let made = tuning("id-a", "id-c");
    assert_eq!((by(&made), made.header("x-nearway-attempts")), ((200, "first"), Some("2")));
    // and what nobody has goes where the rest lives
    assert_eq!(by(&tuning("id-a", "id-gone")), (404, "first"));
    assert_eq!(by(&tuning("id-gone", "id-a")), (404, "first"));
}

#[test]
fn a_files_own_text_and_what_clients_have_sent_teach_nothing() {
    let second = RawRegion::start(|request, connection| {
        let body = match request.head.contains("/content") {
            true => r#"{"id":"id-text","data":[{"id":"id-text"}]}"#,
            false => {
                r#"{"data":[{"id":"id-item","content":[{"annotations":[{"file_id":"id-cited"}]}]}]}"#
            }
        };
        say(connection, "200 OK", "", body);
    });
    let first = RawRegion::named("first");
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |_| {});
    for path in ["/v1/files/id-f/content", "/v1/responses/id-r/input_items"] {
        proxy.ask(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n{PIN}\r\n"));
    }
    for (id, expected) in [("id-text", "first"), ("id-cited", "first"), ("id-item", "second")] {
        assert_eq!(by(&proxy.ask(&get(&format!("/v1/files/{id}")))), (200, expected), "{id}");
    }
}

#[test]
fn a_body_that_goes_once_finds_its_object_first() {
    let (first, second) = (knowing(&[]), knowing(&["id-box"]));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::holding(&regions, 100_000);
    let body = "x".repeat(300_000);
    let upload = format!(
        "POST /v1/containers/id-box/files HTTP/1.1\r\nhost: a\r\n\
         content-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(by(&proxy.ask(&upload)), (200, "second"));
    assert_eq!(seen(&first), ["GET /v1/containers/id-box"]);
    assert_eq!(seen(&second), ["GET /v1/containers/id-box", "POST /v1/containers/id-box/files"]);
}

#[test]
fn a_region_without_such_objects_is_passed_over() {
    const LACKING: &str = r#"{"error":{"code":"404","message":"Resource not found"}}"#;
    let lacking =
        || RawRegion::start(|_, connection| say(connection, "404 Not Found", "", LACKING));
    let (one, two, last) = (lacking(), lacking(), knowing(&["id-a"]));
    let regions =
        [region("first", &one.url()), region("second", &two.url()), region("third", &last.url())];
    let proxy = Proxy::tuned(&regions, |settings| settings.attempts = 1);
    let missing = proxy.ask(&get("/v1/files/id-gone"));
    assert_eq!(missing.status(), 404);
    assert!(missing.text().contains("No such File object: id-gone"), "{}", missing.text());
    assert_eq!(by(&proxy.ask(&get("/v1/files/id-a"))), (200, "third"));
}

#[test]
fn a_question_stays_inside_of_the_requests_fences() {
    let (first, second) = (knowing(&[]), knowing(&["id-b"]));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        let fence = ("gpt-4o".into(), places(&[true, false]));
        settings.fences = [fence].into_iter().collect();
    });
    let body = r#"{"model":"gpt-4o","tools":[{"vector_store_ids":["id-b"]}]}"#;
    assert_eq!(proxy.ask(&post("/v1/responses", "", body)).status(), 404);
    assert_eq!(seen(&second).len(), 0);
    assert_eq!(
        by(&proxy.ask(&get("/v1/vector_stores/id-b"))),
        (200, "second"),
        "nor is it nobody's"
    );
    let refused = proxy.ask(&post("/v1/responses", "", body));
    assert_eq!(refused.status(), 403, "{}", refused.text());
}

#[test]
fn one_resource_under_two_names_owns_what_either_has_made() {
    let made = std::sync::atomic::AtomicUsize::new(0);
    let both = RawRegion::start(move |request, connection| {
        let number = made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let target = request.head.split(' ').nth(1).unwrap();
        say(connection, "200 OK", "", format!(r#"{{"id":"{target}-{number}"}}"#));
    });
    let names = [region("first", &both.url()), region("second", &both.url())];
    let proxy = Proxy::tuned(&names, |settings| {
        settings.regions[1].owner = settings.regions[0].id;
        settings.state.merges_lists = true;
    });
    let id = |pin: &str| {
        let made = proxy.ask(&post("/v1/files", pin, "{}"));
        let object: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
        object["id"].as_str().unwrap().to_owned()
    };
    let (one, other) = (id(""), id(PIN));
    let body = format!(r#"{{"file_ids":["{one}","{other}"]}}"#);
    let store = proxy.ask(&post("/v1/vector_stores", "", &body));
    assert_eq!(store.status(), 200, "{}", store.text());
    assert_eq!(store.header("x-nearway-attempts"), Some("1"));
}
