//! Clients and fences: what a file may say of them, and what is told of one that says it wrongly.
#![cfg(test)]

use std::path::Path;

use nearway_config::{Config, DeploymentType, Secrets, effective, load};
use nearway_wire::client_key::KeyDigest;

const REGIONS: &str = "\
regions:
- {name: us1, url: 'https://us1', api_key: r1, zone: us}
- {name: eu1, url: 'https://eu1', api_key: r2, zone: eu, deployments: {gpt-4o: gpt-4o}}
- {name: eu2, url: 'https://eu2', api_key: r3, zone: eu, type: global}
";

/// SHA-256 of `abc`.
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct Files;

impl Secrets for Files {
    fn read(&self, path: &Path) -> Result<String, String> {
        if path == Path::new("/web") {
            Ok("from-file\n".into())
        } else {
            Err("no such file".into())
        }
    }
}

fn env(name: &str) -> Option<String> {
    (name == "WEB_KEY").then(|| "from-env".to_owned())
}

fn good(text: &str) -> Config {
    load(format!("{REGIONS}{text}\n").as_bytes(), &env, &Files).unwrap()
}

fn wrong(text: &str) -> String {
    load(text.as_bytes(), &env, &Files).expect_err(text).to_string()
}

#[test]
fn keys_come_from_the_environment_a_file_or_as_digests() {
    let config =
        good(&format!("clients: [{{name: web, keys: ['${{WEB_KEY}}', 'file:/web', '{ABC}']}}]"));
    let [client] = config.clients.as_deref().unwrap() else { panic!("one client") };
    let expected = ["from-env", "from-file", "abc"].map(|key| KeyDigest::of(key.as_bytes()));
    assert_eq!(client.keys, expected);
}

#[test]
fn a_file_without_clients_lets_everybody_in() {
    let config = good("");
    assert!(config.clients.is_none() && config.deployments.is_empty());
    assert_eq!(config.regions[0].kind, DeploymentType::Standard);
}

#[test]
fn a_zone_keeps_out_what_is_global_unless_the_type_is_named() {
    let admitted = |fence: &str| {
        let config = good(&format!("deployments: {{gpt-4o: {{{fence}}}}}"));
        let regions = config.regions.iter().filter(|region| config.admits("gpt-4o", region));
        regions.map(|region| region.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(admitted("zones: [eu]"), ["eu1"]);
    assert_eq!(admitted("zones: [eu], types: [standard, global]"), ["eu1", "eu2"]);
    assert_eq!(admitted("zones: [us, eu]"), ["us1", "eu1"]);
    assert_eq!(admitted("regions: [eu2, us1]"), ["us1", "eu2"]);
    assert_eq!(admitted("regions: [eu2, us1], types: [global]"), ["eu2"]);
}

#[test]
fn a_region_is_closed_to_a_deployment_that_no_client_may_use_there() {
    let config = good(
        "clients:\n- {name: web, keys: [k1], zones: [eu], deployments: [gpt-4o]}\n\
         - {name: ops, keys: [k2], regions: [us1]}",
    );
    let open = |name: &str| {
        config
            .regions
            .iter()
            .filter(|r| config.admits(name, r))
            .map(|r| &*r.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(open("gpt-4o"), ["us1", "eu1"]);
    assert_eq!(open("o3"), ["us1"]);
}

#[test]
fn each_wrong_client_has_its_place_and_no_key_is_quoted() {
    let cases = [
        ("clients:", "clients: nothing is written here"),
        ("clients: [{keys: [sk-a]}]", "clients[0].name: give the client a name"),
        ("clients: [{name: web}]", "clients[0].keys: list at least one key"),
        ("clients: [{name: web, keys: }]", "clients[0].keys: list at least one key"),
        ("clients: [{name: web, keys: []}]", "clients[0].keys: the list is empty"),
        ("clients: [{name: none, keys: [sk-a]}]", "clients[0].name: metrics call those"),
        (
            "clients: [{name: web, keys: [sk-a]}, {name: web, keys: [sk-b]}]",
            "clients[1].name: another client has this name",
        ),
        (
            "clients: [{name: web, keys: [sk-a]}, {name: ops, keys: [sk-b, sk-a]}]",
            "clients[1].keys[1]: this key was written before",
        ),
        (
            &format!("clients: [{{name: web, keys: [abc, '{ABC}']}}]"),
            "clients[0].keys[1]: this key was written before",
        ),
        (
            "clients: [{name: web, keys: ['sha256:sk-a']}]",
            "clients[0].keys[0]: write the key's SHA",
        ),
        ("clients: [{name: web, keys: ['$SK_A']}]", "clients[0].keys[0]: a variable needs braces"),
        ("clients: [{name: web, keys: ['${SK_A:-}']}]", "clients[0].keys[0]: the key is empty"),
        ("clients: [{name: web, keys: ['file:/sk-a']}]", "clients[0].keys[0]: the file named here"),
        ("clients: [{name: web, keys: [sk-a], zones: }]", "clients[0].zones: nothing is written"),
        ("clients: [{name: web, keys: [sk-a], zones: []}]", "clients[0].zones: the list is empty"),
        (
            "clients: [{name: web, keys: [sk-a], zones: [ap]}]",
            "clients[0].zones[0]: no region is in",
        ),
        (
            "clients: [{name: web, keys: [sk-a], regions: [x]}]",
            "clients[0].regions[0]: no region has",
        ),
        (
            "clients: [{name: web, keys: [sk-a], zone: us}]",
            "clients[0].zone: unknown key: did you mean",
        ),
        (
            "clients: [{name: web, keys: [sk-a], deployments: [o3, o3]}]",
            "clients[0].deployments[1]: named twice",
        ),
        ("deployments:", "deployments: nothing is written here"),
        ("deployments: {o3: }", "deployments.o3: write a mapping instead"),
        ("deployments: {o3: {types: [globl]}}", "deployments.o3.types[0]: write standard or"),
        ("deployments: {o3: {zones: [ap]}}", "deployments.o3.zones[0]: no region is in this zone"),
    ];
    for (text, expected) in cases {
        let problems = wrong(&format!("{REGIONS}{text}\n"));
        assert!(problems.contains(&format!("config.yaml:5: {expected}")), "{text}\n{problems}");
        assert_eq!(problems.lines().count(), 1, "{text}\n{problems}");
        assert!(!problems.contains("sk-") && !problems.contains("ba7816"), "{text}\n{problems}");
    }
}

#[test]
fn with_clients_every_region_needs_a_key() {
    let problems = wrong(
        "regions:\n- {name: a, url: 'https://a', api_key: k}\n- {name: b, url: 'https://b'}\n\
         clients: [{name: web, keys: [x]}]\n",
    );
    let expected = "config.yaml:3: regions[1].api_key: clients have keys of their own, which go to";
    assert!(problems.starts_with(expected), "{problems}");
}

#[test]
fn a_fence_that_leaves_no_region_names_who_is_shut_out() {
    let cases = [
        ("deployments: {o3: {zones: [eu]}}", "deployments.o3: no region that serves o3 is inside"),
        (
            "clients: [{name: web, keys: [k], zones: [us], regions: [eu1]}]",
            "clients[0]: client web may use no region",
        ),
        (
            "clients: [{name: web, keys: [k], zones: [eu], deployments: [gpt-4o, o3]}]",
            "clients[0].deployments[1]: client web may use no region for o3",
        ),
    ];
    for (text, expected) in cases {
        let problems = wrong(&format!("{REGIONS}{text}\n"));
        assert!(problems.starts_with(&format!("config.yaml:5: {expected}")), "{text}\n{problems}");
    }
    let crossed = "deployments: {o3: {zones: [us]}}\n\
                   clients: [{name: web, keys: [k], regions: [eu2], deployments: [o3]}]\n";
    let problems = wrong(&format!("{REGIONS}{crossed}"));
    let expected = "clients[0].deployments[0]: client web may use no region for o3";
    assert!(problems.starts_with(&format!("config.yaml:6: {expected}")), "{problems}");
}

#[test]
fn what_is_printed_can_be_read_again_and_holds_no_key() {
    let text = "clients:\n- {name: web, keys: [sk-a, sk-b], zones: [eu], types: [standard, global]}\n\
                - {name: ops, keys: [sk-c], regions: [us1], deployments: [o3]}\n\
                deployments: {gpt-4o: {zones: [eu], regions: [eu1]}}";
    let config = good(text);
    let printed = effective(&config);
    assert!(!printed.contains("sk-"), "{printed}");
    let mut again = load(printed.as_bytes(), &env, &Files).unwrap();
    assert_eq!(again.deployments, config.deployments);
    let (again, config) = (again.clients.as_mut().unwrap(), config.clients.unwrap());
    for (again, client) in again.iter_mut().zip(&config) {
        assert_eq!(again.keys.len(), client.keys.len());
        again.keys.clone_from(&client.keys);
    }
    assert_eq!(*again, config);
}

#[test]
fn a_rotated_key_is_a_change() {
    let [one, other] =
        ["sk-a", "sk-b"].map(|key| good(&format!("clients: [{{name: web, keys: [{key}]}}]")));
    assert_ne!(one, other);
}
