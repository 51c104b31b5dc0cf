//! How connections come about, and how long that may take.

use nearway_upstream::{FaultKind, Limits, Sent, TlsTrust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::harness::{PATIENCE, PATIENT, SHORT, beside, pools, post, region_at};

#[tokio::test]
async fn a_name_with_two_families_is_connected_to_where_somebody_listens() {
    let (region, listener) = region_at("localhost", None).await;
    let answers = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"x") {
                stream.read_buf(&mut seen).await.unwrap();
            }
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    };
    let pools = pools();
    let asked = async {
        for _ in 0..3 {
            let reply = post(&pools, &region, 1, PATIENT).await.unwrap();
            assert!(reply.timing.connect.is_some());
        }
    };
    beside(answers, asked).await;
}

#[tokio::test]
async fn a_handshake_ends_with_its_own_limit_or_with_the_whole() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let trust = TlsTrust::Pem(certificate.pem().into_bytes().into());
    // the system accepts for it, and nobody answers
    let (region, _listener) = region_at("localhost", Some(trust)).await;
    let pools = pools();
    for limits in [Limits { tls: SHORT, ..PATIENT }, Limits { total: SHORT, ..PATIENT }] {
        let began = Instant::now();
        let asked = beside(std::future::pending(), post(&pools, &region, 1, limits));
        let fault = asked.await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::TlsTimeout, Sent::Nothing), "{fault}");
        assert!(Instant::now() - began < PATIENCE);
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_says_so() {
    // too long a label, which the system refuses without asking anybody
    let (region, _listener) = region_at(&"x".repeat(64), None).await;
    let pools = pools();
    let asked = beside(std::future::pending(), post(&pools, &region, 1, PATIENT));
    let fault = asked.await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Dns, Sent::Nothing), "{fault}");
    assert!(fault.detail.starts_with("xxx"), "{fault}");
}
