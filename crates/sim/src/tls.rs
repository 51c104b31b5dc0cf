//! A throw-away certificate authority and a server certificate for loopback.
//!
//! Made per simulator with `rcgen`; the key never leaves the process. Clients trust
//! [`SimTls::ca_pem`].

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use thiserror::Error;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// What a simulator with TLS needs, and what its clients need.
#[derive(Clone, Debug)]
pub struct SimTls {
    /// The authority's certificate, PEM: the `ca_file` of a client.
    pub ca_pem: String,
    /// For the listeners; offers HTTP/2 and HTTP/1.1 by ALPN.
    pub server: Arc<ServerConfig>,
}

/// Why no certificate could be made; nothing the caller did.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Key or certificate generation failed.
    #[error("no certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library rejected them.
    #[error("no TLS configuration: {0}")]
    Configuration(#[from] rustls::Error),
}

impl SimTls {
    /// An authority and a certificate for `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    /// [`TlsError`] if key generation fails.
    pub fn generate() -> Result<Self, TlsError> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "Nearway simulator");
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(NAMES.map(str::to_owned))?.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { ca_pem: issuer.pem(), server: Arc::new(server) })
    }
}

const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
