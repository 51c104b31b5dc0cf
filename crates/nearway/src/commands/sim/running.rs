//! Simulated regions on loopback ports that this file binds; `sim` and `demo` run them.
//!
//! The simulator itself binds nothing. What it is asked to do is in the world that is given.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, anyhow, bail};
use nearway_sim::{Sim, SimRegion, SimTls, World};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A simulator that runs until [`Running::stop`].
#[derive(Debug)]
pub(in crate::commands) struct Running {
    sim: Sim,
    cancel: CancellationToken,
    /// Such as `http://127.0.0.1:40004`.
    pub(super) control: String,
    /// What clients must trust, with TLS.
    pub(super) ca_pem: Option<String>,
}

impl Running {
    /// Binds one port a region and one for the control URL, from `port` on; 0 lets the system
    /// choose all of them.
    pub(in crate::commands) async fn start(
        world: World,
        port: u16,
        tls: bool,
    ) -> anyhow::Result<Self> {
        if world.regions.is_empty() {
            bail!("the world has no regions: add one to `regions`");
        }
        let mut listeners = Vec::new();
        for place in 0..=world.regions.len() {
            listeners.push(bind(port, place).await?);
        }
        let tls = tls.then(SimTls::generate).transpose()?;
        let ca_pem = tls.as_ref().map(|tls| tls.ca_pem.clone());
        let endpoint = listeners.pop().context("a listener for each region and one more")?;
        let control = format!("http://{}", endpoint.local_addr()?);
        let cancel = CancellationToken::new();
        let sim = Sim::start(world, listeners, tls, cancel.clone())?;
        sim.serve_control(endpoint);
        Ok(Self { sim, cancel, control, ca_pem })
    }

    /// In the world's order.
    pub(in crate::commands) fn regions(&self) -> &[SimRegion] {
        self.sim.regions()
    }

    /// Ends all of them; what is in flight is cut.
    pub(in crate::commands) async fn stop(self) {
        self.cancel.cancel();
        self.sim.stopped().await;
    }
}

async fn bind(first: u16, place: usize) -> anyhow::Result<TcpListener> {
    let port = port(first, place).with_context(|| {
        format!("--port {first}: the regions need more ports than there are above it")
    })?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .await
        .map_err(|error| anyhow!("{address}: {error}; choose another --port, or 0 for any"))
}

/// The port of the region at `place`; `None` beyond the last port.
fn port(first: u16, place: usize) -> Option<u16> {
    if first == 0 { Some(0) } else { first.checked_add(u16::try_from(place).ok()?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_count_up_from_the_first_and_zero_stays_zero() {
        assert_eq!((port(9000, 0), port(9000, 3)), (Some(9000), Some(9003)));
        assert_eq!((port(0, 0), port(0, 3)), (Some(0), Some(0)));
        assert_eq!((port(65_535, 0), port(65_535, 1)), (Some(65_535), None));
    }
}
