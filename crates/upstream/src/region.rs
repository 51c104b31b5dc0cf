//! One configured region, ready to be spoken to: immutable and shared by all workers.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, PathAndQuery};
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::Credential;
use crate::tls::{client_config, roots, with_http2};

/// What a region is made from; the binary fills it in from the configuration.
#[derive(Clone, Debug)]
pub struct RegionSettings {
    /// Unique in the process and never reused, also across reloads.
    pub id: u32,
    /// As configured; appears in headers, metrics and logs.
    pub name: Arc<str>,
    /// Where it is.
    pub origin: Origin,
    /// What Nearway presents to it; `None`: the client's own credential passes.
    pub credential: Option<Credential>,
    /// Whom to believe that the other side is this region.
    pub trust: TlsTrust,
    /// Offer HTTP/2 by ALPN (HTTPS only).
    pub http2: bool,
}

/// Scheme, host, port and path prefix of a region's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// TLS or plain.
    pub https: bool,
    /// Name or address, without the brackets of an IPv6 literal.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Empty, or begins with `/` and does not end with one.
    pub prefix: String,
}

/// The certificate authorities that may vouch for a region.
#[derive(Clone, Debug, Default)]
pub enum TlsTrust {
    /// Those of the operating system.
    #[default]
    System,
    /// Only those in this PEM text (the region's `ca_file`).
    Pem(Arc<[u8]>),
}

impl TlsTrust {
    /// Finds out whether regions can be built with it, without building one.
    ///
    /// # Errors
    /// [`RegionError::Certificate`] or [`RegionError::NoRoots`].
    pub fn check(&self) -> Result<(), RegionError> {
        roots(self).map(|_| ())
    }
}

/// Why a region can't be built.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// Host and port do not form a valid `Host` header.
    #[error("{0:?} is no host name")]
    Host(String),
    /// The PEM text holds no usable certificate.
    #[error("ca_file holds no certificate that can be used ({0})")]
    Certificate(String),
    /// The operating system offers no certificate authorities.
    #[error("no certificate authorities on this system: install ca-certificates or set ca_file")]
    NoRoots,
    /// The TLS library refused its own defaults.
    #[error("TLS cannot be set up ({0})")]
    Tls(String),
}

/// A region that requests can be sent to.
pub struct Region {
    settings: RegionSettings,
    host: HeaderValue,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(crate) http2: Option<Http2>,
}

/// What it takes to speak HTTP/2 to a region.
pub(crate) struct Http2 {
    /// Offers it.
    pub(crate) tls: Arc<ClientConfig>,
    /// In place of the `Host` header.
    pub(crate) authority: Authority,
}

impl Region {
    /// Checks the settings and prepares everything that requests share.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing is resolved or connected here, so an unreachable region is fine.
    pub fn new(settings: RegionSettings) -> Result<Arc<Self>, RegionError> {
        let bad_host = || RegionError::Host(settings.origin.host.clone());
        let host =
            HeaderValue::try_from(settings.origin.authority()).map_err(|_invalid| bad_host())?;
        let tls = if settings.origin.https {
            let name = ServerName::try_from(settings.origin.host.clone())
                .map_err(|_invalid| bad_host())?;
            Some((client_config(&settings.trust)?, name))
        } else {
            None
        };
        let http2 = match &tls {
            Some((config, _)) if settings.http2 => Some(Http2 {
                tls: with_http2(config),
                authority: Authority::try_from(settings.origin.authority())
                    .map_err(|_invalid| bad_host())?,
            }),
            _ => None,
        };
        Ok(Arc::new(Self { settings, host, tls, http2 }))
    }

    /// Unique in the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.settings.id
    }

    /// As configured.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// Where it is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.settings.origin
    }

    /// The value of the `Host` header.
    #[must_use]
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// What Nearway presents; `None`: the client's own credential passes.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        self.settings.credential.as_ref()
    }

    /// The target to send for a client's: the same bytes behind the region's path prefix.
    ///
    /// `None` if prefix and target together are no valid request target (too long).
    #[must_use]
    pub fn target(&self, target: &PathAndQuery) -> Option<PathAndQuery> {
        if self.settings.origin.prefix.is_empty() {
            return Some(target.clone());
        }
        let separator = if target.as_str().starts_with('/') { "" } else { "/" };
        let joined = format!("{}{separator}{target}", self.settings.origin.prefix);
        PathAndQuery::try_from(joined).ok()
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Origin {
    /// `host` or `host:port`, as the `Host` header wants it (RFC 9110 7.2: no default port).
    #[must_use]
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.https, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(prefix: &str, port: u16) -> Arc<Region> {
        Region::new(RegionSettings {
            id: 1,
            name: "east".into(),
            origin: Origin { https: false, host: "::1".into(), port, prefix: prefix.into() },
            credential: None,
            trust: TlsTrust::System,
            http2: false,
        })
        .unwrap()
    }

    #[test]
    fn the_default_port_stays_out_of_host() {
        assert_eq!(region("", 80).host(), "[::1]");
        assert_eq!(region("", 8080).host(), "[::1]:8080");
    }

    #[test]
    fn a_prefix_goes_before_the_bytes_of_the_target() {
        let target = PathAndQuery::from_static("/v1/a%2Fb?x=%20");
        assert_eq!(region("", 80).target(&target).unwrap(), "/v1/a%2Fb?x=%20");
        assert_eq!(region("/p/q", 80).target(&target).unwrap(), "/p/q/v1/a%2Fb?x=%20");
    }

    #[test]
    fn a_host_that_no_header_can_carry_is_refused() {
        let origin = Origin { https: true, host: "a b".into(), port: 443, prefix: String::new() };
        let settings = RegionSettings {
            id: 1,
            name: "east".into(),
            origin,
            credential: None,
            trust: TlsTrust::System,
            http2: false,
        };
        assert!(matches!(Region::new(settings), Err(RegionError::Host(host)) if host == "a b"));
    }
}
