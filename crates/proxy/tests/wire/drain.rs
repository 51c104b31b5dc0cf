//! A stop lets what is under way finish and accepts nothing new.

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::harness::{Proxy, region};
use crate::raw::{PATIENCE, RawRegion, eventually};

#[test]
fn an_answer_under_way_is_finished_and_new_clients_are_refused() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let raw = RawRegion::start(move |_, connection| {
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst");
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send("-last");
    });
    let mut proxy = Proxy::start(&[region("only", &raw.url())]);
    let mut client = proxy.client();
    client.send("GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n");
    client.until("first").unwrap();
    proxy.stop();
    let address = proxy.listen;
    eventually("new clients are refused", || TcpStream::connect(address).is_err());
    go.send(()).unwrap();
    assert_eq!(client.exactly(5), b"-last");
    assert!(client.is_closed());
    proxy.wait();
}

#[test]
fn what_the_drain_cuts_is_not_counted_as_the_clients_leave() {
    let (arrived, arrival) = channel();
    let arrived = Mutex::new(arrived);
    let silent = RawRegion::start(move |_, connection| {
        arrived.lock().unwrap().send(()).unwrap();
        connection.is_closed();
    });
    let regions = [region("only", &silent.url())];
    let mut proxy = Proxy::draining(&regions, Duration::from_millis(50), |_| {});
    let mut client = proxy.client();
    client.send("GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n");
    arrival.recv_timeout(PATIENCE).expect("the region is asked");
    proxy.stop();
    proxy.wait();
    let rendered = proxy.metrics.render();
    let counted = "outcome=\"drain_timeout\"} 1\n";
    assert!(rendered.contains(counted), "{rendered}");
    assert!(client.is_closed());
}
