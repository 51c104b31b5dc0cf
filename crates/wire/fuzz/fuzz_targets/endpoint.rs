//! Any target is read or refused; a name is replaced where it stands and reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nearway_wire::endpoint;
use nearway_wire::headers::strip_key_query;

fuzz_target!(|target: &str| {
    let stripped = strip_key_query(target);
    assert_eq!(strip_key_query(&stripped), stripped);
    let Ok(read) = endpoint::read(target) else { return };
    let Some(named) = read.deployment else { return };
    let renamed = endpoint::rename(target, &named.span, "other");
    let again = endpoint::read(&renamed).expect("a renamed target stays readable");
    assert_eq!((again.dialect, again.operation), (read.dialect, read.operation));
    assert_eq!(again.deployment.expect("a renamed target names a deployment").name, "other");
});
