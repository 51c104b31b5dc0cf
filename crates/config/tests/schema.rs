//! What the schema tells an editor: as much of what `check` refuses as a schema can say. It is stricter
//! in one point: a number needs no quotes and a text does.
#![cfg(test)]

use serde_json::Value;

/// The schema of a key, such as `RawRegion/url`; of the top level without a shape.
fn of(key: &str) -> Value {
    let schema: Value = serde_json::from_str(&nearway_config::schema()).unwrap();
    let found = match key.split_once('/') {
        Some((shape, key)) => schema["$defs"][shape]["properties"][key].clone(),
        None => schema["properties"][key].clone(),
    };
    assert!(found.is_object(), "{key}");
    found
}

#[test]
fn the_copy_in_deploy_is_current() {
    let kept = include_str!("../../../deploy/config.schema.json");
    assert!(
        kept == nearway_config::schema(),
        "stale: run `nearway schema > deploy/config.schema.json`"
    );
}

#[test]
fn what_must_be_written_cannot_be_null() {
    for (key, wanted) in [
        ("regions", "array"),
        ("RawRegion/name", "string"),
        ("RawRegion/url", "string"),
        ("RawRegion/api_key", "string"),
    ] {
        assert_eq!(of(key)["type"], wanted, "{key}");
    }
}

#[test]
fn an_empty_map_and_repeated_names_are_refused() {
    assert_eq!(of("RawRegion/deployments")["minProperties"], 1);
    assert_eq!(of("RawProbe/deployments")["uniqueItems"], true);
}
