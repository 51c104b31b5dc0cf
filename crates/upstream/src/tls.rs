//! TLS to regions: the one file that names rustls' builders.
//!
//! The provider is given explicitly (a second one in the graph would make the default panic),
//! certificates are always verified, and one configuration a region keeps its session tickets.

use std::sync::{Arc, OnceLock};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{RegionError, TlsTrust};

/// A client configuration that trusts what `trust` says and offers HTTP/1.1.
pub(crate) fn client_config(trust: &TlsTrust) -> Result<Arc<ClientConfig>, RegionError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| RegionError::Tls(error.to_string()))?
        .with_root_certificates(roots(trust)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same, sessions included, but offering HTTP/2 first.
pub(crate) fn with_http2(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols.insert(0, b"h2".to_vec());
    Arc::new(config)
}

/// The authorities that `trust` names. The system's are read once a process: that takes longer than
/// all else about a region, and every region shares the one copy.
pub(crate) fn roots(trust: &TlsTrust) -> Result<Arc<RootCertStore>, RegionError> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    match trust {
        TlsTrust::System => match SYSTEM.get() {
            Some(roots) => Ok(roots.clone()),
            None => system().map(|roots| SYSTEM.get_or_init(|| Arc::new(roots)).clone()),
        },
        TlsTrust::Pem(pem) => from_pem(pem).map(Arc::new),
    }
}

fn system() -> Result<RootCertStore, RegionError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(RegionError::NoRoots) } else { Ok(roots) }
}

fn from_pem(pem: &[u8]) -> Result<RootCertStore, RegionError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| RegionError::Certificate(error.to_string()))?;
        roots.add(certificate).map_err(|error| RegionError::Certificate(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(RegionError::Certificate("no CERTIFICATE block".into()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_authorities_are_read_once() {
        let [first, second] = [roots(&TlsTrust::System), roots(&TlsTrust::System)];
        assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
    }

    fn pem(text: &str) -> TlsTrust {
        TlsTrust::Pem(text.as_bytes().into())
    }

    #[test]
    fn a_generated_authority_is_accepted_and_sets_the_protocols() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let config = client_config(&pem(&certificate.pem())).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
        assert_eq!(with_http2(&config).alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn text_without_a_certificate_is_refused() {
        for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"]
        {
            let error = client_config(&pem(text)).unwrap_err();
            assert!(matches!(error, RegionError::Certificate(_)), "{text}: {error}");
        }
    }
}
