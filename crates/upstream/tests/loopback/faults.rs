//! A fault says how much of the request had left, and whether anything came back.

use nearway_upstream::{FaultKind, Limits, Returned, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{HUGE, PATIENT, SHORT, beside, pools, post, region};

#[tokio::test]
async fn a_region_that_hangs_up_after_the_request_had_all_of_it() {
    let (region, listener) = region().await;
    let hangs_up = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"x") {
            stream.read_buf(&mut seen).await.unwrap();
        }
    };
    let pools = pools();
    let fault = beside(hangs_up, post(&pools, &region, 1, PATIENT)).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent, fault.reused), (FaultKind::Reset, Sent::All, false));
    assert_eq!(fault.returned, Returned::Nothing);
}

#[tokio::test]
async fn a_region_that_stops_reading_had_a_part() {
    let (region, listener) = region().await;
    let stops = async {
        let (stream, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    };
    let pools = pools();
    let limits = [
        (Limits { head: SHORT, ..PATIENT }, FaultKind::HeadTimeout),
        (Limits { write: SHORT, ..PATIENT }, FaultKind::WriteTimeout),
        (Limits { total: SHORT, ..PATIENT }, FaultKind::HeadTimeout),
    ];
    let asked = async {
        for (limits, kind) in limits {
            let fault = post(&pools, &region, HUGE, limits).await.unwrap_err();
            assert_eq!((fault.kind, fault.sent), (kind, Sent::Part), "{fault}");
            assert_eq!(fault.returned, Returned::Nothing);
        }
    };
    beside(stops, asked).await;
}

#[tokio::test]
async fn a_region_that_cannot_be_reached_had_nothing() {
    let (region, listener) = region().await;
    drop(listener);
    let pools = pools();
    let asked = beside(std::future::pending(), post(&pools, &region, 1, PATIENT));
    let fault = asked.await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Connect, Sent::Nothing));
    assert_eq!(fault.returned, Returned::Nothing);
}

#[tokio::test]
async fn half_a_head_is_no_answer() {
    let (region, listener) = region().await;
    let breaks_off = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"x") {
            stream.read_buf(&mut seen).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200").await.unwrap();
    };
    let pools = pools();
    let fault = beside(breaks_off, post(&pools, &region, 1, PATIENT)).await.unwrap_err();
    assert_eq!((fault.kind, fault.sent), (FaultKind::Reset, Sent::All));
    assert_eq!(fault.returned, Returned::Nothing);
}
