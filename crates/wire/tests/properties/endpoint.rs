//! Targets: no string panics, and only the span of the name is ever replaced.

use nearway_wire::endpoint::{self, BadTarget, Dialect, Operation, Via};
use nearway_wire::headers::strip_key_query;
use nearway_wire::probe_body::{ApiStyle, ProbeSpec, Rung, probe_target};
use proptest::prelude::*;

/// Targets that are nearly right, more often than not.
fn targets() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("openai".to_owned()),
        Just("deployments".to_owned()),
        Just("v1".to_owned()),
        Just("api/projects".to_owned()),
        Just("chat/completions".to_owned()),
        Just("realtime".to_owned()),
        Just("%2e%2E".to_owned()),
        "[a-zA-Z0-9._~%/-]{0,6}",
        any::<String>(),
    ];
    let pair = prop_oneof!["(model|deployment|api-key|mod%65l)=[a-z%0-9-]{0,4}", "[a-z&=;%]{0,6}"];
    let path =
        proptest::collection::vec(word, 0..7).prop_map(|words| format!("/{}", words.join("/")));
    let query = proptest::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"));
    prop_oneof![path.clone(), (path, query).prop_map(|(path, query)| format!("{path}?{query}"))]
}

proptest! {
    #[test]
    fn no_string_panics(target in any::<String>()) {
        let _ = endpoint::read(&target);
        let _ = strip_key_query(&target);
    }

    #[test]
    fn a_target_that_is_read_is_safe_and_consistent(target in targets()) {
        let Ok(read) = endpoint::read(&target) else { return Ok(()) };
        let path = target.split('?').next().unwrap();
        prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
        prop_assert!(target.bytes().all(|byte| byte > b' ' && byte != 0x7f && byte != b'#'));
        prop_assert_eq!(read.deployment.is_some(), read.via.is_some());
        if read.via == Some(Via::Query) {
            prop_assert_eq!(read.operation, Operation::Realtime);
        }
        if read.dialect == Dialect::Unknown {
            prop_assert_eq!(read.operation, Operation::Other);
        }
        if let Some(named) = read.deployment {
            prop_assert!(target.get(named.span).is_some_and(|raw| !raw.is_empty()));
        }
    }

    #[test]
    fn renaming_replaces_the_span_and_nothing_else(target in targets(), to in "[^/]{1,12}") {
        let Ok(read) = endpoint::read(&target) else { return Ok(()) };
        let Some(named) = read.deployment else { return Ok(()) };
        let renamed = endpoint::rename(&target, &named.span, &to);
        prop_assert!(renamed.starts_with(target.get(..named.span.start).unwrap()));
        prop_assert!(renamed.ends_with(target.get(named.span.end..).unwrap()));
        // what is a name of dots or control bytes as a segment of its own is refused, not misread
        match endpoint::read(&renamed) {
            Ok(again) => {
                prop_assert_eq!((again.dialect, again.operation), (read.dialect, read.operation));
                prop_assert_eq!(again.deployment.unwrap().name, to);
            }
            Err(refused) => {
                let odd = to == "." || to == ".." || to.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\');
                prop_assert!(odd && matches!(refused, BadTarget::DotSegment | BadTarget::ControlByte));
            }
        }
    }

    #[test]
    fn keys_leave_the_query_and_everything_else_stays(target in targets()) {
        let stripped = strip_key_query(&target);
        prop_assert_eq!(strip_key_query(&stripped), stripped.as_ref());
        let pairs = |target: &str| -> Vec<String> {
            target.split_once('?').map_or("", |(_, query)| query).split('&').map(str::to_owned).collect()
        };
        let is_key = |pair: &String| pair.split('=').next() == Some("api-key");
        let mut expected = pairs(&target);
        expected.retain(|pair| !is_key(pair));
        if expected.is_empty() {
            expected.push(String::new());
        }
        prop_assert_eq!(pairs(&stripped), expected);
        prop_assert_eq!(stripped.split('?').next(), target.split('?').next());
    }

    #[test]
    fn the_target_of_a_probe_names_its_deployment(deployment in "[a-zA-Z0-9ä _.-]{3,12}") {
        let spec = ProbeSpec { style: ApiStyle::Azure, api_version: "1&x", prompt: "", max_tokens: 1 };
        let target = probe_target(&spec, &deployment, Rung::first());
        let read = endpoint::read(&target);
        if deployment.bytes().all(|byte| byte == b'.') {
            return Ok(());
        }
        let read = read.unwrap();
        prop_assert_eq!(read.operation, Operation::ChatCompletions);
        prop_assert_eq!(read.deployment.unwrap().name, deployment);
        prop_assert_eq!(target.split('&').count(), 1);
    }
}
