//! TLS with the generated certificate, HTTP/1.1 and HTTP/2 by ALPN, HTTP/2 without TLS.

use std::sync::Arc;

use http::Method;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nearway_sim::{Sim, SimTls, World};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{eastus, read, request, start_one};

#[tokio::test]
async fn a_client_that_trusts_the_authority_gets_through() {
    let tls = SimTls::generate().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(tls.ca_pem.as_bytes()).unwrap()).unwrap();
    let mut client = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = World { regions: vec![eastus()], ..World::default() };
    let sim = Sim::start(world, vec![listener], Some(tls), cancel).unwrap();
    assert_eq!(sim.regions()[0].url, format!("https://{address}"));

    for name in ["127.0.0.1", "localhost"] {
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let tls = TlsConnector::from(Arc::new(client.clone())).connect(name, tcp).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        assert_eq!(over_http2(tls).await, 200);
    }
}

#[tokio::test]
async fn http2_needs_no_tls() {
    let running = start_one(eastus()).await;
    let tcp = TcpStream::connect(running.address()).await.unwrap();
    assert_eq!(over_http2(tcp).await, 200);
    let stats = running.stats();
    let seen = stats.last().unwrap();
    assert_eq!((seen.version.as_str(), seen.authority.as_deref()), ("HTTP/2.0", Some("sim")));
    assert_eq!(seen.target, "/v1/models");
}

async fn over_http2<S>(stream: S) -> u16
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let tasks = TaskTracker::new();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tasks.spawn(connection);
    let mut request = request(Method::GET, "http://sim/v1/models", "");
    request.headers_mut().remove("host");
    read(sender.send_request(request).await.unwrap()).await.status.as_u16()
}
