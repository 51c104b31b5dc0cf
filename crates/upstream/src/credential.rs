//! The credential that Nearway presents to a region.
//!
//! Exactly one of `api-key` and `Authorization` goes upstream (API fact sheet 2.1); what the client
//! sent in either place is removed by the caller before [`Credential::apply`].

use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

/// A header that authenticates Nearway to one region. Its `Debug` form shows no secret.
#[derive(Clone, Debug)]
pub struct Credential {
    name: HeaderName,
    // marked sensitive: prints as "Sensitive" and is never indexed by HTTP/2 header compression
    value: HeaderValue,
}

impl Credential {
    /// The key as an `api-key` header (API fact sheet 1.1); `None` if a header can't carry it.
    #[must_use]
    pub fn api_key(key: &SecretString) -> Option<Self> {
        let value = HeaderValue::from_str(key.expose_secret()).ok()?;
        Some(Self::sensitive(HeaderName::from_static("api-key"), value))
    }

    /// The key as `Authorization: Bearer`; `None` if a header can't carry it.
    #[must_use]
    pub fn bearer(key: &SecretString) -> Option<Self> {
        let value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).ok()?;
        Some(Self::sensitive(header::AUTHORIZATION, value))
    }

    /// Adds the header, replacing one of the same name.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(self.name.clone(), self.value.clone());
    }

    fn sensitive(name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        Self { name, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_replaces_what_was_there_and_is_never_printed() {
        let key = SecretString::from("k-123");
        let mut headers = HeaderMap::new();
        headers.insert("api-key", HeaderValue::from_static("client"));
        let credential = Credential::api_key(&key).unwrap();
        credential.apply(&mut headers);
        assert_eq!(headers.get_all("api-key").iter().collect::<Vec<_>>(), ["k-123"]);
        assert!(!format!("{credential:?}").contains("k-123"));
    }

    #[test]
    fn bearer_has_its_scheme_and_control_bytes_are_refused() {
        let mut headers = HeaderMap::new();
        Credential::bearer(&SecretString::from("t")).unwrap().apply(&mut headers);
        assert_eq!(headers["authorization"], "Bearer t");
        assert!(Credential::api_key(&SecretString::from("a\r\nb: c")).is_none());
    }
}
