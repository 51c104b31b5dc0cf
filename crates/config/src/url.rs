//! A region's URL: scheme, host, port and prefix, taken apart once so that a request only puts
//! pieces together. Strict: what could be read two ways is refused (RFC 3986 section 3).

use std::net::{Ipv4Addr, Ipv6Addr};

use schemars::{Schema, json_schema};

use crate::model::RegionUrl;
use crate::names::Scalar;
use crate::text::Sketch;

/// Bytes of a DNS name and of one label of it (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;
/// Bytes of a prefix: it is put before every request's path.
const MAX_PREFIX: usize = 1024;
/// Where `/openai` always begins the path of a request, and so is no prefix (API fact sheet 1.1).
const AZURE: [&str; 3] = [".azure.com", ".azure.us", ".microsoft.com"];

/// Why a text is not a region's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("write https://HOST, with http:// only where the network is trusted")]
    Scheme,
    #[error("leave out what stands before the @: the key belongs into api_key")]
    Userinfo,
    #[error("leave out the ? and what follows: clients send their own query")]
    Query,
    #[error("leave out the # and what follows")]
    Fragment,
    #[error("write a host name of letters, digits, - and . after the //, or an IP address")]
    Host,
    #[error("write a port from 1 to 65535 after the host, or none")]
    Port,
    #[error("write a plain path after the host, without //, . or .. segments, or none")]
    Prefix,
    #[error("leave /openai or /v1 and what follows out: the path of each request brings it along")]
    Api,
}

impl Scalar for RegionUrl {
    type Made = Self;

    fn parse(text: &str) -> Result<Self, String> {
        take_apart(text).map_err(|fault| fault.to_string())
    }
}

impl Sketch for RegionUrl {
    fn sketch() -> Schema {
        let scheme = "[Hh][Tt][Tt][Pp][Ss]?";
        let host = r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])";
        let pattern = format!(r"^{scheme}://{host}(:[0-9]{{1,5}})?(/[^?#%\s]*)?$|\$\{{");
        json_schema!({"type": "string", "pattern": pattern})
    }
}

fn take_apart(text: &str) -> Result<RegionUrl, Fault> {
    let (scheme, rest) = text.split_once("://").ok_or(Fault::Scheme)?;
    let https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err(Fault::Scheme),
    };
    if rest.contains('#') {
        return Err(Fault::Fragment);
    }
    if rest.contains('?') {
        return Err(Fault::Query);
    }
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(slash).ok_or(Fault::Host)?;
    if authority.contains('@') {
        return Err(Fault::Userinfo);
    }
    let (shown_host, host, port) = host_and_port(authority)?;
    let usual = if https { 443 } else { 80 };
    let port = port.unwrap_or(usual);
    let authority = if port == usual { shown_host } else { format!("{shown_host}:{port}") };
    let prefix = prefix(&host, path)?;
    Ok(RegionUrl { https, host, port, prefix, authority })
}

/// The host as a URL writes it, the host itself, and the port if there is one.
fn host_and_port(authority: &str) -> Result<(String, String, Option<u16>), Fault> {
    let (host, shown, rest) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (inside, rest) = bracketed.split_once(']').ok_or(Fault::Host)?;
            let address: Ipv6Addr = inside.parse().map_err(|_| Fault::Host)?;
            (address.to_string(), format!("[{address}]"), rest)
        }
        None => {
            let colon = authority.find(':').unwrap_or(authority.len());
            let (name, rest) = authority.split_at_checked(colon).ok_or(Fault::Host)?;
            let name = name.to_ascii_lowercase();
            if !is_host(&name) {
                return Err(Fault::Host);
            }
            (name.clone(), name, rest)
        }
    };
    let Some(digits) = rest.strip_prefix(':') else {
        return if rest.is_empty() { Ok((shown, host, None)) } else { Err(Fault::Port) };
    };
    match digits.parse() {
        Ok(port) if port != 0 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((shown, host, Some(port)))
        }
        _ => Err(Fault::Port),
    }
}

fn is_host(name: &str) -> bool {
    let looks_like_ipv4 = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if looks_like_ipv4 {
        return name.parse::<Ipv4Addr>().is_ok();
    }
    // a name may end in the root's dot
    let labels = name.strip_suffix('.').unwrap_or(name);
    name.len() <= MAX_HOST
        && !labels.rsplit('.').next().is_some_and(is_number)
        && labels.split('.').all(|label| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Whether some resolvers would take a name that ends so for an IPv4 address (`0x7f.1`).
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

fn prefix(host: &str, path: &str) -> Result<String, Fault> {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Ok(String::new());
    }
    // RFC 3986 section 3.3, percent-encoded bytes excluded: they hide what a segment is
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&b);
    let plain = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(allowed)
    };
    let mut segments = path.split('/').skip(1);
    if path.len() > MAX_PREFIX || !segments.clone().all(plain) {
        return Err(Fault::Prefix);
    }
    // elsewhere /openai may well be a prefix before /v1
    let is_api = |segment| match segment {
        "deployments" => true,
        "openai" => AZURE.iter().any(|domain| host.ends_with(domain)),
        _ => false,
    };
    if path.ends_with("/v1") || segments.any(is_api) {
        return Err(Fault::Api);
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let cases = [
            (
                "https://eastus.api.cognitive.microsoft.com",
                "eastus.api.cognitive.microsoft.com",
                443,
                "",
            ),
            ("HTTPS://Example.COM:8443/", "example.com:8443", 8443, ""),
            ("http://10.0.0.1:80/a/b/", "10.0.0.1", 80, "/a/b"),
            ("http://[::1]:8000", "[::1]:8000", 8000, ""),
            (
                "https://x.services.ai.azure.com/api/projects/p",
                "x.services.ai.azure.com",
                443,
                "/api/projects/p",
            ),
            ("http://ollama_1:11434", "ollama_1:11434", 11434, ""),
            ("https://api.groq.com/openai", "api.groq.com", 443, "/openai"),
        ];
        for (text, authority, port, prefix) in cases {
            let url = take_apart(text).unwrap();
            assert_eq!(
                (&*url.authority, url.port, &*url.prefix),
                (authority, port, prefix),
                "{text}"
            );
        }
        assert_eq!(take_apart("http://[::1]").unwrap().host, "::1");
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        let cases = [
            ("", Fault::Scheme),
            ("eastus.example.com", Fault::Scheme),
            ("ftp://x", Fault::Scheme),
            ("https//x", Fault::Scheme),
            ("https://key@x", Fault::Userinfo),
            ("https://x/?api-key=k", Fault::Query),
            ("https://x#y", Fault::Fragment),
            ("https://", Fault::Host),
            ("https:///v1", Fault::Host),
            ("https://a b", Fault::Host),
            ("https://<resource>.openai.azure.com", Fault::Host),
            ("https://ost.käse.example", Fault::Host),
            ("https://1.2.3", Fault::Host),
            ("https://0x7f.1", Fault::Host),
            ("http://a.0x1/p", Fault::Host),
            ("https://a.1.", Fault::Host),
            ("https://-a.example", Fault::Host),
            ("https://[::1", Fault::Host),
            ("https://[fe80::1%25eth0]", Fault::Host),
            ("https://[::1]x", Fault::Port),
            ("https://x:", Fault::Port),
            ("https://x:0", Fault::Port),
            ("https://x:+80", Fault::Port),
            ("https://x:65536", Fault::Port),
            ("https://x/a//b", Fault::Prefix),
            ("https://x/a/../b", Fault::Prefix),
            ("https://x/%2e%2e", Fault::Prefix),
            ("https://x/a b", Fault::Prefix),
            ("https://api.openai.com/v1", Fault::Api),
            ("https://api.groq.com/openai/v1", Fault::Api),
            ("https://x.openai.azure.com/openai", Fault::Api),
            ("https://eastus.api.cognitive.microsoft.com/openai/", Fault::Api),
            ("https://x/openai/deployments/gpt-4o/chat/completions", Fault::Api),
        ];
        for (text, fault) in cases {
            assert_eq!(take_apart(text), Err(fault), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", tail in "[a-z0-9:/.@\\[\\]?#%]*") {
            let _ = take_apart(&text);
            let _ = take_apart(&format!("https://{tail}"));
        }

        #[test]
        fn what_is_taken_apart_can_be_put_together(tail in "[a-z][a-z0-9]{0,8}(:[1-9][0-9]{0,3})?(/[a-z]{1,5}){0,3}") {
            let url = take_apart(&format!("https://{tail}")).unwrap();
            let again = format!("https://{}{}", url.authority, url.prefix);
            prop_assert_eq!(take_apart(&again), Ok(url));
        }
    }
}
