//! A client's headers, for as many attempts as it takes.
//!
//! A copy of a map costs more than all else that an attempt does to it, and nearly every request
//! needs one attempt. So the first attempt gets the map itself, and what a further one would need is
//! kept as plain bytes: one allocation, where clones of names and values would take one each.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Given out by value, any number of times.
#[derive(Debug)]
pub(crate) struct Headers {
    unsent: Option<HeaderMap>,
    // lines of `name:value`; neither holds what ends it
    kept: Vec<u8>,
}

impl Headers {
    pub(crate) fn new(headers: HeaderMap) -> Self {
        Self { unsent: Some(headers), kept: Vec::new() }
    }

    /// The map, as long as no attempt has taken it.
    pub(crate) fn unsent(&self) -> Option<&HeaderMap> {
        self.unsent.as_ref()
    }

    /// Takes a field out, as long as no attempt has taken the map.
    pub(crate) fn remove(&mut self, name: &HeaderName) {
        if let Some(headers) = &mut self.unsent {
            headers.remove(name);
        }
    }

    /// All headers, repeated ones in their order.
    pub(crate) fn give(&mut self) -> HeaderMap {
        match self.unsent.take() {
            Some(headers) => {
                self.kept = flat(&headers);
                headers
            }
            None => map(&self.kept),
        }
    }
}

fn flat(headers: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::with_capacity(headers.len() * USUAL_LINE);
    for (name, value) in headers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.push(b':');
        lines.extend_from_slice(value.as_bytes());
        lines.push(b'\n');
    }
    lines
}

fn map(lines: &[u8]) -> HeaderMap {
    // what came from a map is a field again
    lines.split(|byte| *byte == b'\n').filter_map(field).fold(
        HeaderMap::new(),
        |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        },
    )
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.strip_prefix(b":")?;
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

/// Bytes of a line, so that the buffer seldom has to grow.
const USUAL_LINE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_gets_the_same_headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("b", "1"), ("a", "2: x"), ("b", "3"), ("b", "1"), ("x-empty", "")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xe4\t\xff").unwrap());
        let mut given = Headers::new(headers.clone());
        assert_eq!(given.unsent(), Some(&headers));
        for _attempt in 0..3 {
            let mut again = given.give();
            assert_eq!(again, headers);
            let repeated: Vec<_> = again.get_all("b").iter().collect();
            assert_eq!(repeated, ["1", "3", "1"]);
            again.clear();
        }
        assert_eq!(Headers::new(HeaderMap::new()).give().len(), 0);
    }
}
