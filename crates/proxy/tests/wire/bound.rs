//! At the limit on open connections, further clients wait; none is turned away.

use crate::harness::{CONNECTIONS_MAX, Proxy, region};
use crate::raw::{RawRegion, eventually};

const ASK: &str = "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn a_client_beyond_the_limit_waits_for_a_place_and_a_metric_says_so() {
    let raw = RawRegion::named("only");
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let mut clients: Vec<_> = (0..CONNECTIONS_MAX).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(ASK);
        assert_eq!(client.response().status(), 200);
    }
    let paused = "nearway_client_accept_pauses_total 1\n";
    eventually("the limit is noticed", || proxy.metrics.render().contains(paused));
    let mut late = proxy.client();
    late.send(ASK);
    clients.pop();
    assert_eq!(late.response().status(), 200);
}
