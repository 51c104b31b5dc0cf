//! One parameter of a header field's value.
//!
//! For the boundary in a content type and the field name in a part's head, both of which the model scan
//! needs as raw bytes.

use memchr::memchr;

/// The value of a parameter in `a=b; c="d"` (RFC 9110 section 5.6.6), unquoted.
pub(super) fn parameter(parameters: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut rest = parameters;
    loop {
        let equals = memchr(b'=', rest)?;
        let (name, value) = rest.split_at_checked(equals)?;
        let (value, after) = parameter_value(value.get(1..)?);
        // what precedes a parameter without a value is not its name
        let name = name.rsplit(|byte| *byte == b';').next().unwrap_or_default();
        if name.trim_ascii().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// A value at the beginning of `bytes`, and what follows it.
fn parameter_value(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = bytes.trim_ascii_start().strip_prefix(b"\"") else {
        let end = memchr(b';', bytes).unwrap_or(bytes.len());
        let (value, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        return (value.trim_ascii().to_vec(), rest);
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => value.extend(bytes.next()),
            byte => value.push(*byte),
        }
    }
    (value, bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_parameter_is_found_and_unquoted() {
        for (parameters, value) in [
            ("name=a", Some("a")),
            (" x=1 ; NAME = a b ; y", Some("a b")),
            (" flag; name=a", Some("a")),
            ("x=\"; name=b\"; name=\"a\"", Some("a")),
            ("x=\"\\\"; name=b\"; name=\"a;\\\"=\"; z", Some("a;\"=")),
            ("name=", Some("")),
            ("name=\"open", Some("open")),
            ("name*=a; filename=name", None),
            ("name", None),
            ("", None),
        ] {
            let found = parameter(parameters.as_bytes(), b"name");
            assert_eq!(found.as_deref(), value.map(str::as_bytes), "{parameters}");
        }
    }
}
