//! One file a case: what `load` says of it. Every line names the place and what to write instead.
#![cfg(test)]

use std::collections::HashMap;
use std::path::Path;

use nearway_config::{AffinityMode, Config, Env, Problems, Secrets, diff, effective, load};

const REGION: &str = "regions: [{name: a, url: 'https://a.example'}]\n";

struct World(HashMap<&'static str, &'static str>);

impl Env for World {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| (*value).to_owned())
    }
}

impl Secrets for World {
    fn read(&self, path: &Path) -> Result<String, String> {
        let name = path.to_str().and_then(|path| path.strip_prefix('/'));
        let file = name.and_then(|name| self.0.get(name));
        file.map(|text| (*text).to_owned()).ok_or_else(|| "no such file".to_owned())
    }

    fn usable(&self, pem: &str) -> Result<(), String> {
        if pem.contains("broken") { Err("broken".to_owned()) } else { Ok(()) }
    }
}

fn read(text: &str) -> Result<Config, Problems> {
    let world = World(HashMap::from([
        ("KEY", "sk-secret"),
        ("EASTUS_API_KEY", "k1"),
        ("WESTUS_API_KEY", "k2"),
        ("WESTEUROPE_API_KEY", "k3"),
        ("key.txt", "sk-file\n"),
        ("EMPTY", ""),
        ("empty.txt", "\n"),
        ("broken.pem", "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n"),
    ]));
    load(text.as_bytes(), &world, &world)
}

fn wrong(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn each_wrong_value_has_its_place_and_its_remedy() {
    let cases = [
        ("regions: []", "config.yaml:1: regions: the list is empty"),
        ("workers: 2", "config.yaml:1: regions: list at least one region"),
        ("regions: [{url: 'https://a'}]", "config.yaml:1: regions[0].name: give the region a name"),
        ("regions: [{name: a}]", "config.yaml:1: regions[0].url: write where the region is"),
        ("regions:\n- name: a\n  url: ftp://a\n", "config.yaml:3: regions[0].url: write https://"),
        (
            "regions:\n- {name: a, url: 'https://a'}\n- {name: a, url: 'https://b'}\n",
            "config.yaml:3: regions[1].name: another region has this name",
        ),
        (
            "regions: [{name: a, url: 'https://a', api_key: '${NO_SUCH}'}]",
            "config.yaml:1: regions[0].api_key: the environment has no NO_SUCH",
        ),
        (
            "regions: [{name: a, url: 'https://a', api_key: 'file:/none'}]",
            "config.yaml:1: regions[0].api_key: the file named here cannot be read: no such file",
        ),
        ("regions: 7", "config.yaml:1: regions: write a list instead"),
        ("regions:\n- {name: ~, url: 'https://a'}\n", "config.yaml:2: regions[0].name: give the"),
        ("regions:\n- name: a\n  url:\n", "config.yaml:3: regions[0].url: write where the region"),
        ("regions: [{}]", "config.yaml:1: regions[0].name: give the region a name"),
        ("regions: [{}]", "config.yaml:1: regions[0].url: write where the region is"),
        (
            "regions: [{name: a, url: 'http://a', http2: true}]",
            "config.yaml:1: regions[0].http2: the url is not https: leave http2 out, or write https",
        ),
        ("regions: [{name: [a], url: 'https://a'}]", "config.yaml:1: regions[0].name: a list:"),
    ];
    for (text, expected) in cases {
        let problems = wrong(text);
        assert!(problems.lines().any(|line| line.starts_with(expected)), "{text}\n{problems}");
    }
}

#[test]
fn keys_beside_good_regions_are_checked_alike() {
    let cases = [
        ("probe: {interval: 30}", "probe.interval: write a duration with its unit, such as 30s"),
        ("probe: {intervall: 30s}", "probe.intervall: unknown key: did you mean `interval`?"),
        ("probe: {deployments: [x, x]}", "probe.deployments[1]: named twice"),
        ("routing: {window: 10s}", "routing.window: shorter than probe.interval"),
        ("routing: {snapshot: ''}", "routing.snapshot: name a file, such as"),
        ("routing: {snapshot: /var/lib/}", "routing.snapshot: name a file, such as"),
        ("cooldown: {default: 50s, cap: 20s}", "cooldown.cap: cap is below default"),
        ("cooldown: {unauthorized: 60}", "cooldown.unauthorized: write a duration with its unit"),
        ("cooldown: {lacking: 0s}", "cooldown.lacking: write a duration with its unit"),
        (
            "timeouts: {first_token_of: {o3: 120}}",
            "timeouts.first_token_of.o3: write a duration with its unit, such as 2m (from 100ms",
        ),
        (
            "timeouts: {first_token_of: {'': 2m}}",
            "timeouts.first_token_of.…: the client's name before the `:`: write the name of a",
        ),
        ("timeouts: {first_token_of: 2m}", "timeouts.first_token_of: write a mapping instead"),
        ("affinity: {mode: sticky}", "affinity.mode: write off or prefix or session"),
        (
            "affinity: {from_tokens: 255}",
            "affinity.from_tokens: write a whole number, such as 1024",
        ),
        ("affinity: {bound_per_1k_tokens: 50}", "affinity.bound_per_1k_tokens: write a duration"),
        ("affinity: {bound_max: 2m}", "affinity.bound_max: write a duration with its unit"),
        ("affinity: {ttl: 13h}", "affinity.ttl: write a duration with its unit, such as 10m"),
        ("affinity: {bound: 1s}", "affinity.bound: unknown key: the keys here are mode, from_"),
        (
            "state: {entries: 1000}",
            "state.entries: write a whole number, such as 1048576 (from 1024",
        ),
        (
            "state: {ttl: 30}",
            "state.ttl: write a duration with its unit, such as 30days (from 1m to",
        ),
        ("state: {file: /var/lib/}", "state.file: name a file, such as"),
        ("state: {unknown_for: 2h}", "state.unknown_for: write a duration with its unit, such as"),
        ("state: {home: b}", "state.home: no region has this name: write that of one"),
        ("state: {lists: all}", "state.lists: write home or merge"),
        ("state: {size: 1}", "state.size: unknown key: the keys here are entries, ttl, file, "),
        (
            "state: {file: /f}\nrouting: {snapshot: /f}",
            "state.file: routing.snapshot is kept there",
        ),
        ("failover: {last_resort: never}", "failover.last_resort: write true or false"),
        ("breaker: {percent: 0}", "breaker.percent: write a number, such as 25 (from 1 to 100)"),
        ("breaker: {minimum: 0}", "breaker.minimum: write a whole number, such as 10 (from 1 to"),
        ("breaker: {in_a_row: 1.5}", "breaker.in_a_row: write a whole number"),
        ("breaker: {window: 2h}", "breaker.window: write a duration with its unit"),
        ("breaker: {pause_max: 4s}", "breaker.pause_max: pause_max is below pause_min"),
        ("breaker: {pause_min: 90s}", "breaker.pause_min: pause_max is below pause_min"),
        ("breaker: {ramp: 2h}", "breaker.ramp: write a duration with its unit"),
        ("breaker: {in_row: 3}", "breaker.in_row: unknown key: "),
        ("limits: {body: 5}", "limits.body: write"),
        ("workers: 0", "workers: write"),
        ("admin: {address: '127.0.0.1:8080'}", "admin.address: clients connect there"),
        ("clients: []", "clients: the list is empty"),
        ("deployments: {x: {}}", "deployments.x: a fence that keeps nothing out"),
        ("probe: 1", "probe: write a mapping instead"),
        ("log: {requests: maybe}", "log.requests: write true or false"),
    ];
    for (text, expected) in cases {
        let problems = wrong(&format!("{REGION}{text}\n"));
        assert!(problems.contains(&format!("config.yaml:2: {expected}")), "{text}\n{problems}");
    }
}

#[test]
fn one_wrong_value_is_one_line() {
    let cases = [
        ("listen: {address: x}", "listen.address: write an IP address"),
        ("listen: {address: x}\nadmin: {address: '127.0.0.1:9'}", "listen.address: write an IP"),
        ("admin: {address: x}", "admin.address: write an IP address"),
        ("probe: {interval: 10}\nrouting: {window: 20s}", "probe.interval: write a duration"),
        ("routing: {window: long}\nprobe: {interval: 10m}", "routing.window: write a duration"),
        ("cooldown: {cap: x, default: 90s}", "cooldown.cap: write a duration"),
        ("breaker: {pause_max: x, pause_min: 90s}", "breaker.pause_max: write a duration"),
    ];
    for (text, expected) in cases {
        let problems = wrong(&format!("{REGION}{text}\n"));
        assert!(problems.starts_with(&format!("config.yaml:2: {expected}")), "{text}\n{problems}");
        assert_eq!(problems.lines().count(), 1, "{text}\n{problems}");
    }
    let problems = wrong("regions: [{name: a b, url: 'https://a'}]\nstate: {home: b}\n");
    assert_eq!(problems.lines().count(), 1, "the home may be the one misspelt: {problems}");
    let region = "regions: [{name: a, url: 'https://a', deployments: {x: [], y: y}}]\n";
    let problems = wrong(&format!("{region}probe: {{deployments: [x]}}\n"));
    assert_eq!(
        problems,
        "config.yaml:1: regions[0].deployments.x: a list: write one value instead"
    );
}

#[test]
fn listeners_that_cannot_both_be_opened_are_found() {
    let cases = [
        ("listen: {address: '127.0.0.1:8081'}", "listen.address: operators connect there"),
        ("listen: {address: '0.0.0.0:8081'}", "listen.address: operators connect there"),
        ("listen: {address: '[::]:8081'}", "listen.address: operators connect there"),
        (
            "admin: {address: '127.0.0.1:9000'}\nlisten: {address: '0.0.0.0:9000'}",
            "admin.address: clients connect there",
        ),
    ];
    for (text, expected) in cases {
        let problems = wrong(&format!("{REGION}{text}\n"));
        assert!(problems.starts_with(&format!("config.yaml:2: {expected}")), "{text}\n{problems}");
    }
    for text in [
        "listen: {address: '127.0.0.1:0'}\nadmin: {address: '127.0.0.1:0'}",
        "listen: {address: '10.0.0.1:9000'}\nadmin: {address: '127.0.0.1:9000'}",
        "listen: {address: '0.0.0.0:9000'}\nadmin: {address: '[::1]:9000'}",
    ] {
        read(&format!("{REGION}{text}\n")).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
    }
}

#[test]
fn a_window_that_is_left_out_follows_the_interval_and_a_shorter_one_is_refused() {
    let config = read(&format!("{REGION}probe: {{interval: 10m}}\n")).unwrap();
    assert_eq!(config.routing.window.as_secs(), 900);
    let config = read(&format!("{REGION}probe: {{interval: 1d}}\n")).unwrap();
    assert_eq!(config.routing.window, config.probe.interval, "the range of a window ends there");
    let problems = wrong(&format!("{REGION}routing: {{window: 29s}}\n"));
    assert!(problems.starts_with("config.yaml:2: routing.window: shorter than"), "{problems}");
}

#[test]
fn what_windows_editors_add_does_no_harm() {
    let text = "\u{feff}regions:\r\n- name: a\r\n  url: https://a.example\r\n";
    assert_eq!(read(text).unwrap().regions[0].url.host, "a.example");
    let problems = wrong(&format!("{text}  tier: x\r\n"));
    assert!(problems.starts_with("config.yaml:4: regions[0].tier: "), "{problems}");
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let problems =
        wrong("workers: x\nregions:\n- name: a b\n  url: nowhere\nprobe:\n  samples: 99\n");
    let places: Vec<_> = problems.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert_eq!(places, ["workers", "regions[0].name", "regions[0].url", "probe.samples"]);
}

#[test]
fn what_is_no_configuration_at_all_is_one_line() {
    let world = World(HashMap::new());
    let explode = (0..30).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let next = level + 1;
        format!("{text}a{next}: &a{next} [*a{level}, *a{level}, *a{level}]\n")
    });
    let nested = "[".repeat(10 * 1024 * 1024);
    let deep = format!("{}1", "- ".repeat(100_000));
    let cases: [&[u8]; 8] = [
        b"",
        b"\xff\xfe\x00",
        b"a: b: c",
        b"a: 1\n---\nb: 2\n",
        b"- 1\n- 2\n",
        explode.as_bytes(),
        nested.as_bytes(),
        deep.as_bytes(),
    ];
    for case in cases {
        let problems = load(case, &world, &world).expect_err("no configuration").to_string();
        let shown: String = String::from_utf8_lossy(case).chars().take(20).collect();
        assert!(problems.lines().count() <= 2 && problems.len() < 400, "{shown}: {problems}");
    }
}

#[test]
fn a_secret_is_read_and_never_shown() {
    for key in ["${KEY}", "file:/key.txt", "sk-plain"] {
        let text =
            format!("regions: [{{name: a, url: 'https://a', api_key: '{key}'}}]\nworkers: x\n");
        assert!(!wrong(&text).contains("sk-"), "{key}");
        let config = read(&text.replace("workers: x\n", "")).unwrap();
        assert!(config.regions[0].api_key.is_some());
        let shown = format!("{config:?}{}", effective(&config));
        assert!(!shown.contains("sk-"), "{shown}");
        assert!(shown.contains("********"), "{shown}");
    }
}

#[test]
fn the_effective_configuration_loads_again_and_says_the_same() {
    let config = read(
        "regions: [{name: a, url: 'https://a.example:8443/p', deployments: {x: y$$z}, zone: eu}]\n\
         probe: {deployments: [x], prompt: 'say \"hi\"', jitter: 0.25, tokens_per_day: 5000, \
                 reachability: true, prices: {'gpt-4$o': {input: 2.5, output: 10}}}\n\
         limits: {body: 64MiB}\n\
         workers: 3\ntimeouts: {connect: 1s500ms, tls: 2s, write: 7s, first_token_of: {o3: 2m, 'a $b': 1s}}\n\
         failover: {last_resort: false}\nrouting: {strategy: adaptive, snapshot: '/var/lib/a $$b.json'}\n\
         cooldown: {default: 1s, cap: 2s, unauthorized: 3s, lacking: 4s}\n\
         affinity: {mode: session, from_tokens: 300, bound_per_1k_tokens: 7ms, bound_max: 0s, ttl: 5m}\n\
         state: {entries: 2048, ttl: 36h, file: '/var/lib/a $$b.redb', unknown_for: 0s, home: a, lists: merge}\n\
         breaker: {percent: 12.5, minimum: 3, in_a_row: 4, window: 5s, pause_min: 6s, \
                   pause_max: 7s, ramp: 0s}\n",
    );
    let config = config.unwrap();
    let again = read(&effective(&config)).unwrap_or_else(|e| panic!("{e}\n{}", effective(&config)));
    assert_eq!(again, config);
}

#[test]
fn the_strategy_decides_how_much_a_probe_asks_unless_the_file_does() {
    let asked = |text: &str| {
        let probe = read(&format!("{REGION}{text}")).unwrap().probe;
        (probe.samples, probe.max_tokens, probe.tokens_per_day)
    };
    assert_eq!(asked("routing: {strategy: average}\n"), (3, 10, None));
    assert_eq!(asked("routing: {strategy: adaptive}\n"), (1, 1, None));
    assert_eq!(asked(""), (1, 1, None));
    let text = "probe: {samples: 2, max_tokens: 5, tokens_per_day: 20000}\n";
    assert_eq!(asked(text), (2, 5, Some(20_000)));
}

#[test]
fn affinity_is_for_long_prompts_unless_the_file_says_off_or_session() {
    let mode = |text: &str| read(&format!("{REGION}{text}")).unwrap().affinity.mode;
    assert_eq!(mode(""), AffinityMode::Prefix);
    assert_eq!(mode("affinity: {mode: off}\n"), AffinityMode::Off);
    assert_eq!(mode("affinity: {mode: session}\n"), AffinityMode::Session);
}

#[test]
fn a_budget_without_the_strategy_that_keeps_it_is_refused() {
    let text = "routing: {strategy: average}\nprobe: {tokens_per_day: 9000}\n";
    let problems = wrong(&format!("{REGION}{text}"));
    assert!(problems.contains("probe.tokens_per_day"), "{problems}");
    assert!(problems.contains("routing.strategy: adaptive"), "{problems}");
}

#[test]
fn a_price_has_both_halves() {
    let with = |price: &str| format!("{REGION}probe: {{prices: {{gpt-4o: {price}}}}}\n");
    let prices = read(&with("{input: 2.5, output: 10}")).unwrap().probe.prices;
    let price = prices["gpt-4o"];
    assert_eq!(format!("{price:?}"), "Price { input: 2.5, output: 10.0 }");
    for price in ["{input: 2.5}", "{input: 2.5, output: -1}", "{input: 2.5, output: free}"] {
        let problems = wrong(&with(price));
        assert!(problems.contains("probe.prices.gpt-4o"), "{problems}");
    }
}

#[test]
fn the_effective_configuration_keeps_dollars_in_keys_and_characters_that_yaml_folds() {
    let text = "regions: [{name: a, url: 'https://a', deployments: {\"x$y\": z}}]\n\
                probe: {deployments: [x$$y], prompt: \"a\\x7f\\x85\\u2028\\ufeffb\"}\n";
    let config = read(text).unwrap();
    assert_eq!(config.probe.prompt, "a\u{7f}\u{85}\u{2028}\u{feff}b");
    let again = read(&effective(&config)).unwrap_or_else(|e| panic!("{e}\n{}", effective(&config)));
    assert_eq!(again, config);
}

#[test]
fn the_example_stands_at_the_defaults() {
    let example = include_str!("../../../config.example.yaml");
    let mut config = read(example).unwrap();
    let names: Vec<_> = config.regions.iter().map(|region| region.name.as_str()).collect();
    assert_eq!(names, ["eastus", "westus", "westeurope"]);
    let least = read(REGION).unwrap();
    config.regions.clone_from(&least.regions);
    config.probe.deployments.clear();
    assert_eq!(config, least);
}

#[test]
fn a_difference_names_regions_and_what_needs_a_restart() {
    let old = read("regions: [{name: a, url: 'https://a'}, {name: b, url: 'https://b'}]").unwrap();
    let new = read(
        "regions: [{name: b, url: 'https://b', api_key: '${KEY}'}, {name: c, url: 'https://c'}]\n\
         workers: 7\nrouting: {snapshot: learned.json}\nstate: {entries: 2000, file: owners.redb}\n",
    );
    let diff = diff(&old, &new.unwrap());
    let keys = ["workers", "routing.snapshot", "state.entries", "state.file"];
    assert_eq!(diff.needs_restart, keys);
    assert_eq!(
        (diff.added, diff.removed, diff.changed),
        (vec!["c".to_owned()], vec!["a".to_owned()], vec!["b".to_owned()])
    );
}

#[test]
fn what_failures_lead_to_changes_without_a_restart() {
    let old = read(REGION).unwrap();
    let new = read(&format!(
        "{REGION}cooldown: {{lacking: 1m}}\nfailover: {{last_resort: false}}\n\
         timeouts: {{first_token_of: {{o3: 2m}}}}\nbreaker: {{percent: 50}}\n\
         state: {{ttl: 1d, unknown_for: 1s, home: a, lists: merge}}\n"
    ));
    let new = new.unwrap();
    assert_ne!(old, new, "a reload must see it");
    assert!(diff(&old, &new).needs_restart.is_empty());
}

#[test]
fn a_longer_cap_of_hints_leaves_the_other_times_alone() {
    let config = read(&format!("{REGION}cooldown: {{default: 10s, cap: 10m}}\n")).unwrap();
    let least = read(REGION).unwrap();
    assert_eq!(config.cooldown.unauthorized, least.cooldown.unauthorized);
    assert_eq!(config.breaker, least.breaker);
}

#[test]
fn one_slip_is_one_line_also_where_the_shape_is_wrong() {
    let cases = [
        ("just a text", "config.yaml:1: write a mapping instead, with keys of these: listen, "),
        (
            "regions: [{name: a, url: 'https://a', deployments: [gpt-4o]}]",
            "config.yaml:1: regions[0].deployments: write a mapping instead: each entry as",
        ),
        (
            "regions: [{nane: a, url: 'https://a'}]",
            "config.yaml:1: regions[0].nane: unknown key: did you mean `name`?",
        ),
    ];
    for (text, expected) in cases {
        let problems = wrong(text);
        assert!(problems.starts_with(expected), "{text}\n{problems}");
        assert_eq!(problems.lines().count(), 1, "{text}\n{problems}");
    }
}

#[test]
fn a_key_that_no_region_would_take_is_told_why() {
    let cases = [
        ("${EMPTY}", "the key is empty: fill the variable or the file that it comes from"),
        ("file:/empty.txt", "the key is empty: fill the variable or the file that it comes from"),
        ("a b", "a blank, a line end or another character that no key has"),
        ("$EASTUS_API_KEY", "a variable needs braces: write ${NAME}, or $$ for a plain $"),
    ];
    for (key, expected) in cases {
        let problems =
            wrong(&format!("regions:\n- name: a\n  url: https://a\n  api_key: '{key}'\n"));
        let expected = format!("config.yaml:4: regions[0].api_key: {expected}");
        assert!(problems.starts_with(&expected), "{key}\n{problems}");
        assert_eq!(problems.lines().count(), 1, "{key}\n{problems}");
    }
    assert!(read("regions: [{name: a, url: 'https://a', api_key: 'x$$KEY'}]").is_ok());
}

#[test]
fn certificates_that_cannot_be_used_have_their_place_beside_the_rest() {
    let problems =
        wrong("workers: x\nregions:\n- name: a\n  url: https://a\n  ca_file: /broken.pem\n");
    let lines: Vec<_> = problems.lines().collect();
    let [workers, ca_file] = lines.as_slice() else { panic!("{problems}") };
    assert!(workers.starts_with("config.yaml:1: workers: "), "{problems}");
    let expected = "config.yaml:5: regions[0].ca_file: a certificate here cannot be used (broken)";
    assert!(ca_file.starts_with(expected), "{problems}");
}

#[test]
fn a_slip_of_syntax_is_told_with_what_is_usually_behind_it() {
    let cases = [
        ("regions:\n- {name: a, api_key: ${KEY}}\n", "quote a ${NAME} within { } or [ ]"),
        ("regions: [${KEY}\n", "quote a ${NAME} within { } or [ ]"),
        ("regions:\n- name: a\n  url:https://a\n", "put a blank after the `:`"),
        ("regions:\n- name:a\n  url: https://a\n", "put a blank after each `:`"),
    ];
    for (text, expected) in cases {
        let problems = wrong(text);
        assert!(problems.contains(expected), "{text}\n{problems}");
    }
}

#[test]
fn aliases_that_explode_are_told_with_their_line() {
    let explode = (0..30).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let next = level + 1;
        format!("{text}a{next}: &a{next} [*a{level}, *a{level}, *a{level}]\n")
    });
    let problems = wrong(&explode);
    let line = problems.strip_prefix("config.yaml:").and_then(|rest| rest.split(':').next());
    assert!(line.is_some_and(|line| line.parse::<u32>().is_ok()), "{problems}");
}

#[test]
fn a_key_that_holds_a_known_one_is_suggested_it() {
    let text = "regions: [{name: a, url: 'https://a', ca: x, key: y, base_url: z, proxy: p}]";
    let problems = wrong(text);
    for (key, known) in [("ca", "ca_file"), ("key", "api_key"), ("base_url", "url")] {
        let expected = format!("regions[0].{key}: unknown key: did you mean `{known}`?");
        assert!(problems.contains(&expected), "{key}\n{problems}");
    }
    assert!(problems.contains("regions[0].proxy: unknown key: the keys here are "), "{problems}");
}

#[test]
fn many_problems_are_all_listed() {
    let regions = (0..40).fold("regions:\n".to_owned(), |text, n| {
        format!("{text}- name: r{n}\n  url: r{n}.example\n")
    });
    assert_eq!(wrong(&regions).lines().count(), 40);
}

#[test]
fn a_key_that_was_lost_does_not_let_the_clients_credential_through() {
    // `#` begins a comment, `&x` is an anchor, and a template may have filled in nothing
    for lost in ["", " #sk-secret", " &sk-secret", " ~"] {
        let problems = wrong(&format!("regions:\n- name: a\n  url: https://a\n  api_key:{lost}\n"));
        let expected = "config.yaml:4: regions[0].api_key: nothing is written here: write the key, \
                        ${NAME} or file:/path, or leave api_key out to pass the client's own";
        assert_eq!(problems, expected, "{lost}");
    }
}

#[test]
fn a_secret_in_the_place_of_a_key_is_not_shown() {
    for secret in ["0123456789abcdef0123456789abcdef", "sk-proj-AbCd0123456789efGh"] {
        for text in [
            format!("regions: [{{name: a, url: 'https://a', {secret}}}]\n"),
            format!("regions: [{{name: a, url: 'https://a', api_key: {{{secret}: x}}}}]\n"),
            format!("{REGION}{secret}: 1\n"),
        ] {
            let problems = wrong(&text);
            assert!(!problems.contains(secret), "{problems}");
        }
    }
}

#[test]
fn a_slip_hides_no_other_problem_and_makes_none() {
    let cases = [
        ("region: []", "config.yaml:1: region: unknown key: did you mean `regions`?"),
        (
            "regions:\n- &a {name: a, url: 'https://a'}\n- {<<: *a, name: b}",
            "config.yaml:3: regions[1].…: merge keys are not supported: write the keys out",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[test]
fn an_unreadable_file_by_a_relative_path_is_told_to_be_written_whole() {
    for (path, hint) in [("/none", false), ("none", true), ("~/none", true)] {
        let problems = wrong(&format!(
            "regions: [{{name: a, url: 'https://a', api_key: 'file:{path}', ca_file: '{path}'}}]\n"
        ));
        assert_eq!(problems.lines().count(), 2, "{problems}");
        for line in problems.lines() {
            let hinted = line.ends_with("; write the whole path, from / on");
            assert_eq!(hinted, hint, "{problems}");
        }
    }
}
