//! A region that speaks HTTP/2 and leaves the bytes of a request lying.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::{self, Connection};
use http::Response;
use nearway_upstream::{FaultKind, Limits, Region, Returned, Sent, TlsTrust};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::harness::{HUGE, PATIENT, SHORT, beside, pools, post, region_over};

type Served = Connection<TlsStream<TcpStream>, Bytes>;

/// A region on a port of its own that offers HTTP/2 alone.
pub(crate) async fn region() -> (Arc<Region>, TcpListener, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let trust = TlsTrust::Pem(certificate.pem().into_bytes().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (region, listener) = region_over("localhost", Some(trust), true).await;
    (region, listener, TlsAcceptor::from(Arc::new(config)))
}

/// The next client's connection, with this window for each stream; the client knows it, since a
/// first request was answered there.
async fn accept(listener: &TcpListener, tls: &TlsAcceptor, window: u32) -> Served {
    let (stream, _) = listener.accept().await.unwrap();
    let stream = tls.accept(stream).await.unwrap();
    let mut builder = server::Builder::new();
    builder.initial_window_size(window);
    let mut connection = Box::pin(builder.handshake(stream)).await.unwrap();
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    connection
}

#[tokio::test]
async fn a_region_whose_window_stays_closed_took_no_byte_in_time() {
    for (window, bytes) in [(0, 1), (0, HUGE), (1000, 2000)] {
        let (region, listener, tls) = region().await;
        let leaves_it = async {
            let mut connection = accept(&listener, &tls, window).await;
            let mut streams = Vec::new();
            while let Some(Ok(stream)) = connection.accept().await {
                streams.push(stream);
            }
        };
        let pools = pools();
        let limits = Limits { write: SHORT, ..PATIENT };
        let asked = async {
            post(&pools, &region, 0, PATIENT).await.unwrap();
            post(&pools, &region, bytes, limits).await.unwrap_err()
        };
        let fault = Box::pin(beside(leaves_it, asked)).await;
        assert_eq!(
            (fault.kind, fault.sent),
            (FaultKind::WriteTimeout, Sent::Part),
            "{window} {bytes}: {fault}"
        );
        assert_eq!(fault.returned, Returned::Nothing);
    }
}

#[tokio::test]
async fn a_region_that_reads_slowly_or_thinks_long_is_not_to_blame_for_lying_bytes() {
    const WINDOW: u32 = 100;
    let (region, listener, tls) = region().await;
    let reads_slowly = async {
        let mut connection = accept(&listener, &tls, WINDOW).await;
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let answers = async {
            let mut body = request.into_body();
            while let Some(data) = body.data().await {
                tokio::time::sleep(SHORT / 3).await;
                body.flow_control().release_capacity(data.unwrap().len()).unwrap();
            }
            // all of it is there: what follows is the head's time
            tokio::time::sleep(SHORT * 2).await;
            respond.send_response(Response::new(()), true).unwrap();
        };
        tokio::join!(answers, async { while connection.accept().await.is_some() {} });
    };
    let pools = pools();
    let limits = Limits { write: SHORT, ..PATIENT };
    let asked = async {
        post(&pools, &region, 0, PATIENT).await.unwrap();
        post(&pools, &region, 6 * WINDOW as usize, limits).await.unwrap()
    };
    let reply = Box::pin(beside(reads_slowly, asked)).await;
    assert_eq!(reply.response.status(), 200);
}
