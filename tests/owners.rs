//! What lives in a region is found there: by what passed, by asking, and never by guessing.

use nearway_sim::Mode;

use crate::harness::{Proxy, Regions, config};
use crate::raw::Response;

const TWO: [(&str, f64); 2] = [("east", 5.0), ("west", 10.0)];

fn post(path: &str, fields: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn id(answer: &Response) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    body["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

fn region(answer: &Response) -> &str {
    answer.header("x-nearway-region").unwrap_or_default()
}

fn attempts(answer: &Response) -> &str {
    answer.header("x-nearway-attempts").unwrap_or_default()
}

fn code(answer: &Response) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// A response that lives in this region.
fn response_in(proxy: &Proxy, name: &str) -> String {
    let pin = format!("x-nearway-region: {name}\r\n");
    let made = proxy.ask(&post("/v1/responses", &pin, r#"{"model":"gpt-4o","input":"hi"}"#));
    assert_eq!((made.status(), region(&made)), (200, name), "{}", made.text());
    id(&made)
}

/// A file that lives in this region.
fn file_in(proxy: &Proxy, name: &str) -> String {
    let body = "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\n\
                content-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{}\r\n--b--\r\n";
    let made = proxy.ask(&format!(
        "POST /v1/files HTTP/1.1\r\nhost: a\r\nx-nearway-region: {name}\r\n\
         content-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!((made.status(), region(&made)), (200, name), "{}", made.text());
    id(&made)
}

/// Requests for responses that regions have seen.
fn seen(regions: &Regions) -> u64 {
    ["east", "west"].map(|name| regions.stats(name).count("responses")).iter().sum()
}

fn continues(response: &str) -> String {
    let body =
        format!(r#"{{"model":"gpt-4o","input":"more","previous_response_id":"{response}"}}"#);
    post("/v1/responses", "", &body)
}

#[test]
fn what_a_region_made_is_found_there_at_once() {
    let regions = Regions::start(&TWO);
    let proxy = Proxy::start(&config(&regions.in_order(), ""));
    for name in ["west", "east", "west"] {
        let response = response_in(&proxy, name);
        let more = proxy.ask(&continues(&response));
        assert_eq!(
            (more.status(), region(&more), attempts(&more)),
            (200, name, "1"),
            "{}",
            more.text()
        );
        let again = proxy.ask(&get(&format!("/v1/responses/{response}")));
        assert_eq!((again.status(), region(&again), attempts(&again)), (200, name, "1"));
        let file = file_in(&proxy, name);
        let content = proxy.ask(&get(&format!("/v1/files/{file}/content")));
        assert_eq!((content.status(), region(&content), attempts(&content)), (200, name, "1"));
    }
    let metrics = proxy.admin("/metrics");
    assert!(
        metrics.text().contains("nearway_state_lookups_total{result=\"hit\"} 9\n"),
        "{}",
        metrics.text()
    );
}

#[test]
fn what_is_not_known_is_asked_for_once_and_remembered() {
    let regions = Regions::start(&TWO);
    let yaml = config(&regions.in_order(), "");
    let first = Proxy::start(&yaml);
    let (response, file) = (response_in(&first, "west"), file_in(&first, "west"));
    // it has seen none of this
    let cold = Proxy::start(&yaml);
    for tries in ["2", "1"] {
        let more = cold.ask(&continues(&response));
        assert_eq!(
            (more.status(), region(&more), attempts(&more)),
            (200, "west", tries),
            "{}",
            more.text()
        );
        let content = cold.ask(&get(&format!("/v1/files/{file}/content")));
        assert_eq!((content.status(), region(&content), attempts(&content)), (200, "west", tries));
    }
    let metrics = cold.admin("/metrics");
    for line in [
        "nearway_state_searches_total{result=\"found\"} 2\n",
        "nearway_state_search_requests_total 2\n",
    ] {
        assert!(metrics.text().contains(line), "{line} {}", metrics.text());
    }
}

#[test]
fn what_nobody_knows_is_not_found_and_briefly_not_looked_for() {
    let regions = Regions::start(&TWO);
    let proxy = Proxy::start(&config(&regions.in_order(), ""));
    for tries in ["2", "1"] {
        let missing = proxy.ask(&get("/v1/files/file-nobodys"));
        assert_eq!((missing.status(), attempts(&missing)), (404, tries), "{}", missing.text());
        assert!(missing.text().contains("No such File object: file-nobodys"), "{}", missing.text());
        let more = proxy.ask(&continues("resp_nobodys"));
        assert_eq!((more.status(), attempts(&more)), (400, tries), "{}", more.text());
        assert_eq!(code(&more), "previous_response_not_found");
    }
}

#[test]
fn objects_of_two_regions_are_refused_with_a_name_for_each() {
    let regions = Regions::start(&TWO);
    let proxy = Proxy::start(&config(&regions.in_order(), ""));
    let (response, file) = (response_in(&proxy, "west"), file_in(&proxy, "east"));
    let body = format!(
        r#"{{"model":"gpt-4o","previous_response_id":"{response}","input":[{{"role":"user","content":[{{"type":"input_file","file_id":"{file}"}}]}}]}}"#
    );
    let before = seen(&regions);
    let refused = proxy.ask(&post("/v1/responses", "", &body));
    assert_eq!((refused.status(), code(&refused).as_str()), (409, "nearway_owner_conflict"));
    for part in [format!("{response} lives in west"), format!("{file} lives in east")] {
        assert!(refused.text().contains(&part), "{}", refused.text());
    }
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert_eq!(seen(&regions), before, "nothing was sent");
}

#[test]
fn an_owner_that_is_down_is_never_a_404() {
    let regions = Regions::start(&TWO);
    let yaml = config(&regions.in_order(), "");
    let proxy = Proxy::start(&yaml);
    let file = file_in(&proxy, "west");
    regions.control.update("west", |world| world.mode = Mode::Refuse).unwrap();
    let known = proxy.ask(&get(&format!("/v1/files/{file}")));
    assert_eq!((known.status(), code(&known).as_str()), (502, "nearway_owner_unreachable"));
    assert!(known.text().contains(&format!("{file} lives in region west")), "{}", known.text());
    let cold = Proxy::start(&yaml);
    let unknown = cold.ask(&get(&format!("/v1/files/{file}")));
    assert_eq!((unknown.status(), code(&unknown).as_str()), (503, "nearway_owner_unknown"));
    assert!(unknown.text().contains("west"), "{}", unknown.text());
}

#[test]
fn what_is_gone_is_forgotten() {
    let regions = Regions::start(&TWO);
    let proxy = Proxy::start(&config(&regions.in_order(), ""));
    let file = file_in(&proxy, "west");
    let path = format!("/v1/files/{file}");
    let deleted = proxy.ask(&format!("DELETE {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_eq!((deleted.status(), region(&deleted)), (200, "west"), "{}", deleted.text());
    let gone = proxy.ask(&get(&path));
    assert_eq!((gone.status(), attempts(&gone)), (404, "2"), "{}", gone.text());
}

#[test]
fn lists_and_new_files_are_the_home_regions() {
    let regions = Regions::start(&[("east", 5.0), ("west", 60.0)]);
    let proxy = Proxy::start(&config(&regions.in_order(), "state: {home: west}"));
    let list = proxy.ask(&get("/v1/files"));
    assert_eq!((list.status(), region(&list)), (200, "west"), "{}", list.text());
    let made = proxy.ask(&post("/v1/assistants", "", r#"{"model":"gpt-4o"}"#));
    assert_eq!(region(&made), "west", "{}", made.text());
    let chat = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;
    let chat = proxy.ask(&post("/v1/chat/completions", "", chat));
    assert_eq!((chat.status(), region(&chat)), (200, "east"), "{}", chat.text());
}
