//! Binds the sockets: one client listener a worker on one port, and the admin listener.
//!
//! All are bound before anything is served, so a wrong address ends the start and nothing half runs.
//! The kernel spreads new connections over the listeners of one port (`SO_REUSEPORT`). Accepting is
//! the proxy's and the admin crate's business.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Every socket that a proxy accepts on: bound, listening, not blocking.
#[derive(Debug)]
pub struct Listeners {
    /// One a worker, all on the same address.
    pub clients: Vec<TcpListener>,
    /// For operators.
    pub admin: TcpListener,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{what} {address}: {source}; {}", advice(.source))]
pub struct BindError {
    what: &'static str,
    address: SocketAddr,
    source: io::Error,
}

impl Listeners {
    /// Binds `workers` listeners on `clients` and one on `admin`. A port of 0 lets the system
    /// choose.
    ///
    /// # Errors
    /// [`BindError`] names the key and the address, and says what to do.
    pub fn bind(
        clients: SocketAddr,
        admin: SocketAddr,
        workers: NonZeroUsize,
    ) -> Result<Self, BindError> {
        let clients = shared(clients, workers).map_err(|source| BindError {
            what: "listen.address",
            address: clients,
            source,
        })?;
        let admin = single(admin, Sharing::Alone).map_err(|source| BindError {
            what: "admin.address",
            address: admin,
            source,
        })?;
        Ok(Self { clients, admin })
    }

    /// Where clients connect.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn client_address(&self) -> io::Result<SocketAddr> {
        self.clients.first().ok_or(io::ErrorKind::NotFound)?.local_addr()
    }

    /// Where operators connect.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there or choose another port",
        io::ErrorKind::PermissionDenied => {
            "choose a port from 1024 on or grant CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "choose an address of this machine, or 0.0.0.0",
        _ => "choose another address",
    }
}

/// `count` listeners on one port; the first decides which if `address` leaves it open.
fn shared(address: SocketAddr, count: NonZeroUsize) -> io::Result<Vec<TcpListener>> {
    if count.get() == 1 {
        return Ok(vec![single(address, Sharing::Alone)?]);
    }
    if address.port() != 0 {
        // Sharing a port works with any process of the same user: a second Nearway, started by
        // mistake, would silently take half of the connections. A plain bind finds the first one.
        drop(single(address, Sharing::Alone)?);
    }
    let first = single(address, Sharing::Port)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count.get() {
        listeners.push(single(address, Sharing::Port)?);
    }
    Ok(listeners)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Port,
}

fn single(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // connections of a former process in TIME_WAIT must not delay a restart
    socket.set_reuse_address(true)?;
    if sharing == Sharing::Port {
        socket.set_reuse_port(true)?;
    }
    // accepted connections inherit it: a client that vanished must not keep its tunnel for ever
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Silence after which the kernel asks whether a client is still there.
const KEEPALIVE: Duration = Duration::from_secs(45);
/// Connections that wait for an accept, each listener; the kernel may lower it (somaxconn).
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

    fn workers(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    #[test]
    fn all_workers_share_the_port_that_the_first_was_given() {
        let listeners = Listeners::bind(ANY_PORT.into(), ANY_PORT.into(), workers(3)).unwrap();
        let address = listeners.client_address().unwrap();
        assert_ne!(address.port(), 0);
        assert_ne!(address, listeners.admin_address().unwrap());
        let all: Vec<_> = listeners.clients.iter().map(|l| l.local_addr().unwrap()).collect();
        assert_eq!(all, [address; 3]);
    }

    #[test]
    fn the_kernel_watches_over_silent_clients() {
        let listeners = Listeners::bind(ANY_PORT.into(), ANY_PORT.into(), workers(1)).unwrap();
        let _client = std::net::TcpStream::connect(listeners.client_address().unwrap()).unwrap();
        listeners.clients[0].set_nonblocking(false).unwrap();
        let (accepted, _) = listeners.clients[0].accept().unwrap();
        assert!(socket2::SockRef::from(&accepted).keepalive().unwrap());
    }

    #[test]
    fn a_port_that_is_taken_is_named_even_if_it_could_be_shared() {
        for (first, second) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let held = Listeners::bind(ANY_PORT.into(), ANY_PORT.into(), workers(first)).unwrap();
            let address = held.client_address().unwrap();
            let error = Listeners::bind(address, ANY_PORT.into(), workers(second)).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with(&format!("listen.address {address}: ")), "{text}");
            assert!(text.ends_with("; stop what listens there or choose another port"), "{text}");
        }
    }

    #[test]
    fn the_admin_address_is_named_too() {
        let held = Listeners::bind(ANY_PORT.into(), ANY_PORT.into(), workers(1)).unwrap();
        let admin = held.admin_address().unwrap();
        let error = Listeners::bind(ANY_PORT.into(), admin, workers(2)).unwrap_err();
        assert!(error.to_string().starts_with(&format!("admin.address {admin}: ")), "{error}");
    }
}
