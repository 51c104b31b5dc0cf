//! Lists that are made of those of all regions, page by page, as SDKs read them.

use nearway_proxy::Settings;

use crate::harness::{Proxy, region};
use crate::raw::{Client, RawRegion, Response, eventually, refused};

/// An id, and when it was made.
type Item = (&'static str, u32);

/// A region with these files, newest first, that answers as Azure does: `limit` is 2 unless the client says so.
fn holding(items: &'static [Item]) -> RawRegion {
    RawRegion::start(move |request, connection| answer(items, request, connection))
}

fn answer(items: &[Item], request: &Response, connection: &mut Client) {
    let target = request.head.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let value =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let object = |(id, created): &Item| format!(r#"{{"id":"{id}", "created_at":{created}}}"#);
    let place = |id: &str| items.iter().position(|(known, _)| *known == id);
    let missing = || ("404 N", r#"{"error":{"message":"No such File object: x"}}"#.to_owned());
    let (status, body) = match path.strip_prefix("/v1/files/") {
        Some(id) => place(id).map_or_else(missing, |place| ("200 OK", object(&items[place]))),
        None => {
            let from = value("after").map_or(Some(0), |after| place(after).map(|place| place + 1));
            let limit = value("limit").map_or(2, |limit| limit.parse().unwrap());
            from.map_or_else(missing, |from| {
                let page: Vec<_> = items.iter().skip(from).take(limit).map(object).collect();
                let has_more = items.len() > from + limit;
                (
                    "200 OK",
                    format!(
                        r#"{{"object":"list","data":[{}],"has_more":{has_more}}}"#,
                        page.join(",")
                    ),
                )
            })
        }
    };
    connection.send(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nx-of: region\r\n\r\n{body}",
        body.len()
    ));
}

fn get(proxy: &Proxy, target: &str) -> Response {
    proxy.ask(&format!("GET {target} HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n"))
}

fn ids(answer: &Response) -> Vec<String> {
    let list: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let id = |item: &serde_json::Value| item["id"].as_str().unwrap().to_owned();
    list["data"].as_array().unwrap_or_else(|| panic!("{}", answer.text())).iter().map(id).collect()
}

fn merging(settings: &mut Settings) {
    settings.state.merges_lists = true;
}

const FIRST: &[Item] = &[("a7", 70), ("a5", 50), ("a4", 40), ("a1", 10)];
const SECOND: &[Item] = &[("b9", 90), ("b5", 50), ("b3", 30), ("b2", 20)];
const ALL: [&str; 8] = ["b9", "a7", "a5", "b5", "a4", "b3", "b2", "a1"];

/// What pages list, each read through the proxy that stands in for it.
fn pages<'p>(proxies: impl Iterator<Item = &'p Proxy>, list: &str) -> Vec<String> {
    let (mut listed, mut after): (Vec<String>, String) = (Vec::new(), String::new());
    for proxy in proxies.take(20) {
        let page = get(proxy, &format!("{list}{after}"));
        assert_eq!(page.status(), 200, "{}", page.text());
        let list: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
        listed.extend(ids(&page));
        if list["has_more"] == false {
            return listed;
        }
        after = format!("&after={}", list["last_id"].as_str().unwrap());
    }
    panic!("it never ends: {listed:?}");
}

#[test]
fn pages_list_everything_once_and_in_order() {
    let (first, second) = (holding(FIRST), holding(SECOND));
    let regions = || [region("first", &first.url()), region("second", &second.url())];
    for limit in ["", "limit=1", "limit=3", "limit=100"] {
        let one = Proxy::tuned(&regions(), merging);
        let list = format!("/v1/files?{limit}");
        assert_eq!(pages(std::iter::repeat(&one), &list), ALL, "{limit}");
        // as behind a balancer: none of the three has seen the page before
        let three = [0, 1, 2].map(|_| Proxy::tuned(&regions(), merging));
        assert_eq!(pages(three.iter().cycle(), &list), ALL, "{limit}, cold");
    }
}

#[test]
fn it_is_all_one_which_proxy_has_seen_the_page_before() {
    let (first, second) = (holding(FIRST), holding(SECOND));
    let regions = || [region("first", &first.url()), region("second", &second.url())];
    let two = [0, 1].map(|_| Proxy::tuned(&regions(), merging));
    for pattern in 0..64 {
        // the query makes it a list that neither has seen
        let list = format!("/v1/files?limit=1&pattern={pattern}");
        let which = (0..).map(|page| &two[if page < 6 { pattern >> page & 1 } else { 0 }]);
        assert_eq!(pages(which, &list), ALL, "{pattern:06b}");
    }
}

#[test]
fn a_list_is_whole_or_an_error_and_its_items_are_as_they_were_and_known() {
    let (first, second) = (holding(FIRST), holding(SECOND));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, merging);
    let list = get(&proxy, "/v1/files?limit=1");
    let expected = r#"{"object":"list","data":[{"id":"b9", "created_at":90}],"first_id":"b9","last_id":"b9","has_more":true}"#;
    assert_eq!(list.text(), expected);
    assert_eq!((list.header("x-of"), list.header("x-nearway-region")), (Some("region"), None));
    assert!(second.seen().iter().all(|request| request.header("accept-encoding").is_none()));
    let known = get(&proxy, "/v1/files/b9");
    assert_eq!((known.status(), known.header("x-nearway-attempts")), (200, Some("1")));

    let half = [region("first", &first.url()), region("second", &refused())];
    let proxy = Proxy::tuned(&half, merging);
    let missing = get(&proxy, "/v1/files");
    assert_eq!(missing.status(), 502, "{}", missing.text());
    assert!(missing.text().contains("second"), "{}", missing.text());
}

#[test]
fn a_region_without_such_a_list_has_nothing_to_add() {
    const LACKING: &str = r#"{"error":{"code":"404","message":"Resource not found"}}"#;
    let lacking = || {
        RawRegion::start(|_, connection| {
            connection.send(format!(
                "HTTP/1.1 404 N\r\ncontent-length: {}\r\n\r\n{LACKING}",
                LACKING.len()
            ));
        })
    };
    let first = holding(FIRST);
    let regions = [region("first", &first.url()), region("second", &lacking().url())];
    assert_eq!(
        ids(&get(&Proxy::tuned(&regions, merging), "/v1/files?limit=9")),
        ["a7", "a5", "a4", "a1"]
    );
    let none = [region("first", &lacking().url()), region("second", &lacking().url())];
    let answer = get(&Proxy::tuned(&none, merging), "/v1/files");
    assert_eq!((answer.status(), answer.text()), (404, LACKING));
}

/// So many files of one time: 1,000 of them are a page of 43 KB.
fn many(name: char, count: usize, created: u32) -> &'static [Item] {
    let item = |at| (&*format!("{name}-{at:014}").leak(), created);
    (0..count).map(item).collect::<Vec<_>>().leak()
}

#[test]
fn a_page_may_be_long() {
    let (first, second) = (holding(many('x', 10_000, 500)), holding(many('y', 10_000, 600)));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let list = "/v1/files?limit=10000";
    let page = get(&Proxy::tuned(&regions, merging), list);
    assert_eq!(page.status(), 200, "{}", page.text());
    let ids = ids(&page);
    assert_eq!((ids.len(), &*ids[9_999]), (10_000, "y-00000000009999"));
}

#[test]
fn long_pages_take_room_beside_what_else_is_held() {
    let (first, second) = (holding(many('x', 10_000, 500)), holding(many('y', 10_000, 600)));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let list = "/v1/files?limit=10000";
    let proxy = Proxy::tuned(&regions, |settings| {
        merging(settings);
        settings.hold_total = 1024 * 1024;
    });
    for _ in 0..3 {
        let page = get(&proxy, list);
        assert_eq!(page.status(), 200, "{}", page.text());
        assert_eq!(ids(&page).len(), 10_000);
    }
    eventually("all room is given back", || {
        proxy.metrics.render().contains("nearway_replay_bytes 0\n")
    });

    let full = Proxy::tuned(&regions, |settings| {
        merging(settings);
        settings.hold_total = 0;
    });
    let refused = get(&full, list);
    assert_eq!(refused.status(), 503, "{}", refused.text());
    for says in ["nearway_overloaded", "`limit`"] {
        assert!(refused.text().contains(says), "{}", refused.text());
    }
    assert_eq!(ids(&get(&full, "/v1/files?limit=1000")).len(), 1_000, "a short one needs none");
}

#[test]
fn a_page_that_breaks_off_or_is_none_is_no_part() {
    let first = holding(FIRST);
    for (answer, why) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"data\":[", "truncated"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"data\":[{}", "malformed"),
    ] {
        let second = RawRegion::start(move |_, connection| {
            connection.send(answer);
            connection.stream.shutdown(std::net::Shutdown::Both).unwrap();
        });
        let regions = [region("first", &first.url()), region("second", &second.url())];
        let answer = get(&Proxy::tuned(&regions, merging), "/v1/files");
        assert_eq!(answer.status(), 502, "{}", answer.text());
        let said = format!("second, which did not answer: {why}");
        assert!(answer.text().contains(&said), "{}", answer.text());
    }
}

#[test]
fn what_is_read_over_to_find_a_place_is_bounded_over_all_regions() {
    let long = [holding(many('x', 6_000, 500)), holding(many('y', 6_000, 500))];
    let first = holding(FIRST);
    let regions = [
        region("first", &first.url()),
        region("second", &long[0].url()),
        region("third", &long[1].url()),
    ];
    let proxy = Proxy::tuned(&regions, merging);
    let far = get(&proxy, "/v1/files?limit=1&after=a7");
    assert_eq!((far.status(), far.header("x-should-retry")), (400, Some("false")));
    assert!(far.text().contains("without `after`"), "{}", far.text());
    let pages = |region: &RawRegion| {
        region.seen().iter().filter(|request| request.head.contains("limit=100")).count()
    };
    // the last one has nothing behind it, so that it is the part itself
    assert_eq!(long.each_ref().map(pages), [59 + 1, 41 + 1]);
}

#[test]
fn the_names_of_models_belong_to_no_region() {
    const MODELS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 57\r\n\r\n{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4o\",\"created\":1}]   }";
    let (first, second) = (RawRegion::answering(MODELS), RawRegion::answering(MODELS));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, merging);
    assert_eq!(ids(&get(&proxy, "/models")), ["gpt-4o"]);
    let metrics = proxy.metrics.render();
    assert!(metrics.contains("nearway_state_learned_total{result=\"new\"} 0\n"), "{metrics}");
}

#[test]
fn without_merging_a_list_is_the_home_regions_alone() {
    let (first, second) = (holding(FIRST), holding(SECOND));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        settings.state.home = Some(settings.regions[1].id);
    });
    assert_eq!(ids(&get(&proxy, "/v1/files?limit=9")), ["b9", "b5", "b3", "b2"]);
    let half = [region("first", &first.url()), region("second", &refused())];
    let proxy = Proxy::tuned(&half, |settings| settings.state.home = Some(settings.regions[1].id));
    assert_eq!(
        get(&proxy, "/v1/files").status(),
        502,
        "another region's list would be a wrong one"
    );
}
