//! Texts that end up elsewhere as they are: names in headers and metric labels, the probe's prompt
//! in a JSON body, its api-version in a query. Also the listeners' addresses.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::{Schema, json_schema};

use crate::text::Sketch;

/// A text that means itself, once it is what the key wants.
pub(crate) trait Scalar: Sketch {
    type Made;

    /// The value, or what to write instead. The message never quotes the text.
    fn parse(text: &str) -> Result<Self::Made, String>;
}

/// Bytes of a region's or a zone's name: a label that people read.
const MAX_NAME: usize = 64;
/// Bytes of a deployment's name; Azure allows 64, other servers use whole paths.
const MAX_DEPLOYMENT: usize = 256;
/// Characters of the probe's prompt: each costs tokens in every sample.
const MAX_PROMPT: usize = 1000;

/// The name of a region or a zone.
pub(crate) struct Name;

/// The name of a deployment, as a client or a region writes it.
pub(crate) struct DeploymentName;

/// `2024-10-21`, `preview`, …
pub(crate) struct ApiVersion;

/// The user message of a probe.
pub(crate) struct Prompt;

impl Scalar for Name {
    type Made = String;

    fn parse(text: &str) -> Result<String, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(allowed) {
            return Err(format!("write 1 to {MAX_NAME} of the characters A-Z a-z 0-9 . _ -"));
        }
        Ok(text.to_owned())
    }
}

impl Sketch for Name {
    fn sketch() -> Schema {
        json_schema!({"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,64}$|\$\{"})
    }
}

impl Scalar for DeploymentName {
    type Made = String;

    fn parse(text: &str) -> Result<String, String> {
        if text.is_empty() || text.len() > MAX_DEPLOYMENT || text.chars().any(char::is_control) {
            return Err(format!("write the name of a deployment, 1 to {MAX_DEPLOYMENT} bytes"));
        }
        Ok(text.to_owned())
    }
}

impl Sketch for DeploymentName {
    fn sketch() -> Schema {
        json_schema!({"type": "string", "minLength": 1})
    }
}

impl Scalar for ApiVersion {
    type Made = String;

    fn parse(text: &str) -> Result<String, String> {
        Name::parse(text).map_err(|_| "write an api-version, such as 2024-10-21".to_owned())
    }
}

impl Sketch for ApiVersion {
    fn sketch() -> Schema {
        Name::sketch()
    }
}

impl Scalar for Prompt {
    type Made = String;

    fn parse(text: &str) -> Result<String, String> {
        if text.trim().is_empty() || text.chars().count() > MAX_PROMPT {
            return Err(format!("write a short harmless text, 1 to {MAX_PROMPT} characters"));
        }
        Ok(text.to_owned())
    }
}

impl Sketch for Prompt {
    fn sketch() -> Schema {
        json_schema!({"type": "string", "pattern": r"\S", "maxLength": MAX_PROMPT})
    }
}

/// A file that Nearway writes.
impl Scalar for PathBuf {
    type Made = Self;

    fn parse(text: &str) -> Result<Self, String> {
        let path = Self::from(text);
        if path.file_name().is_none() || text.ends_with('/') {
            return Err("name a file, such as /var/lib/nearway/learned.json".to_owned());
        }
        Ok(path)
    }
}

impl Scalar for SocketAddr {
    type Made = Self;

    fn parse(text: &str) -> Result<Self, String> {
        let wanted = "write an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for \
                      every interface";
        text.parse().map_err(|_| wanted.to_owned())
    }
}

impl Sketch for SocketAddr {
    fn sketch() -> Schema {
        let pattern = r"^([0-9.]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}$|\$\{";
        json_schema!({"type": "string", "pattern": pattern})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_a_header_and_in_a_label() {
        assert_eq!(Name::parse("east-us.2_b"), Ok("east-us.2_b".into()));
        for text in ["", "east us", "ost\r\nx: y", "östlich", &"x".repeat(65)] {
            assert!(Name::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_deployment_may_be_called_what_other_servers_call_it() {
        for text in ["gpt-4o", "meta-llama/Llama-3", "llama3:8b", "名前"] {
            assert_eq!(DeploymentName::parse(text), Ok(text.into()));
        }
        for text in ["", "a\nb", &"x".repeat(257)] {
            assert!(DeploymentName::parse(text).is_err(), "{text:?}");
        }
    }
}
