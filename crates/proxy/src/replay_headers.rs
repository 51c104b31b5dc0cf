//! A client's headers, for as many attempts as it takes.
//!
//! A copy of a map costs more than all else that an attempt does to it, and nearly every request
//! needs one attempt. So the first attempt gets the map itself, and what a further one would need is
//! kept flat.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Given out by value, any number of times.
#[derive(Debug)]
pub(crate) struct Headers {
    unsent: Option<HeaderMap>,
    kept: Vec<(HeaderName, HeaderValue)>,
}

impl Headers {
    pub(crate) fn new(headers: HeaderMap) -> Self {
        Self { unsent: Some(headers), kept: Vec::new() }
    }

    /// The map, as long as no attempt has taken it.
    pub(crate) fn unsent(&self) -> Option<&HeaderMap> {
        self.unsent.as_ref()
    }

    /// All headers, repeated ones in their order.
    pub(crate) fn give(&mut self) -> HeaderMap {
        if let Some(headers) = self.unsent.take() {
            self.kept.reserve_exact(headers.len());
            self.kept.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
            return headers;
        }
        let mut headers = HeaderMap::with_capacity(self.kept.len());
        for (name, value) in &self.kept {
            headers.append(name.clone(), value.clone());
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_gets_the_same_headers() {
        let mut map = HeaderMap::new();
        for (name, value) in [("b", "1"), ("a", "2"), ("b", "3"), ("b", "1")] {
            map.append(name, HeaderValue::from_static(value));
        }
        let mut headers = Headers::new(map.clone());
        for _attempt in 0..3 {
            let mut given = headers.give();
            assert_eq!(given, map);
            let repeated: Vec<_> = given.get_all("b").iter().collect();
            assert_eq!(repeated, ["1", "3", "1"]);
            given.clear();
        }
    }
}
