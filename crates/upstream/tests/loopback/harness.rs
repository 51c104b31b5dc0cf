//! A pool, a request and the least that is a region.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HOST;
use nearway_telemetry::{Build, Metrics};
use nearway_upstream::{
    Fault, Limits, Origin, PoolSettings, Pools, Region, RegionSettings, Reply, RequestBody,
    TlsTrust, Transport,
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_util::task::TaskTracker;

/// Long enough for a loaded machine, short enough to notice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// What a test waits for on purpose.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
/// More than all buffers between two sockets hold.
pub(crate) const HUGE: usize = 64 * 1024 * 1024;

/// Nothing runs out.
pub(crate) const PATIENT: Limits =
    Limits { connect: PATIENCE, tls: PATIENCE, head: PATIENCE, write: PATIENCE, total: PATIENCE };

/// A region on a port of its own, and its listener.
pub(crate) async fn region() -> (Arc<Region>, TcpListener) {
    region_at("127.0.0.1", None).await
}

/// The same by another name, and with TLS if there is someone to trust.
pub(crate) async fn region_at(host: &str, trust: Option<TlsTrust>) -> (Arc<Region>, TcpListener) {
    region_over(host, trust, false).await
}

/// The same with TLS, and what its connections are accepted with; they speak HTTP/2 if so.
pub(crate) async fn secured_region(http2: bool) -> (Arc<Region>, TcpListener, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let trust = TlsTrust::Pem(certificate.pem().into_bytes().into());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    let (region, listener) = region_over("localhost", Some(trust), http2).await;
    (region, listener, TlsAcceptor::from(Arc::new(config)))
}

async fn region_over(
    host: &str,
    trust: Option<TlsTrust>,
    http2: bool,
) -> (Arc<Region>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let https = trust.is_some();
    let origin = Origin { https, host: host.into(), port, prefix: String::new() };
    let region = Region::new(RegionSettings {
        id: 1,
        name: "only".into(),
        origin,
        credential: None,
        trust: trust.unwrap_or_default(),
        http2,
    });
    (region.unwrap(), listener)
}

/// A pool without connections.
pub(crate) fn pools() -> Pools {
    let metrics = Metrics::new(Build { version: "0", commit: None }).unwrap();
    Pools::new(PoolSettings::default(), metrics, TaskTracker::new())
}

/// Posts so many bytes.
pub(crate) async fn post(
    pools: &Pools,
    region: &Arc<Region>,
    bytes: usize,
    limits: Limits,
) -> Result<Box<Reply>, Fault> {
    let body = RequestBody::Whole(Some(Bytes::from(vec![b'x'; bytes])));
    let request = Request::post("/v1/x").header(HOST, region.host()).body(body).unwrap();
    pools.send(region, request, limits, None).await
}

/// Asks without a body.
pub(crate) async fn ask(
    pools: &Pools,
    region: &Arc<Region>,
    method: &str,
) -> Result<Box<Reply>, Fault> {
    let request = Request::builder().method(method).uri("/v1/x").header(HOST, region.host());
    pools.send(region, request.body(RequestBody::Whole(None)).unwrap(), PATIENT, None).await
}

/// Runs both to the end of `test`, on one thread as a worker does.
pub(crate) async fn beside<T>(
    region: impl Future<Output = ()>,
    test: impl Future<Output = T>,
) -> T {
    let both = async {
        tokio::pin!(test);
        tokio::select! {
            biased;
            done = &mut test => done,
            () = region => test.await,
        }
    };
    LocalSet::new().run_until(both).await
}
