//! A new connection to a region: resolve, connect, handshake, each fault named.
//!
//! Its socket counts the bytes that left, which tells whether a failed request may go again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::addresses::Addresses;
use crate::gather::Socket;
use crate::race::race;
use crate::unopened::Unopened;
use crate::{Fault, FaultKind, Limits, Region};

/// Silence after which the kernel probes a connection; below the four minutes after which Azure's
/// load balancer forgets one (API fact sheet 11.2).
const TCP_KEEPALIVE: Duration = Duration::from_secs(45);

/// An open connection and what opening it took.
pub(crate) struct Connected {
    pub(crate) stream: Stream,
    pub(crate) connect: Duration,
    pub(crate) tls: Option<Duration>,
    pub(crate) http2: bool,
}

/// Opens a connection within `limits`; offers HTTP/2 if `http2` and the region may have it.
pub(crate) async fn connect(
    region: &Region,
    addresses: &Rc<Addresses>,
    limits: Limits,
    http2: bool,
) -> Result<Connected, Fault> {
    let started = Instant::now();
    let patience = limits.connect.min(limits.total);
    let tcp = timeout_at(started + patience, open(addresses, TcpStream::connect)).await.map_err(
        |_elapsed| {
            addresses.distrust();
            Fault::unsent(FaultKind::ConnectTimeout, format!("no connection within {patience:?}"))
        },
    )??;
    tune(&tcp);
    let opened = Instant::now();
    let connect = opened - started;
    let socket = Socket::new(tcp);
    let Some((config, name)) = &region.tls else {
        let stream = Stream::Plain(socket);
        return Ok(Connected { stream, connect, tls: None, http2: false });
    };
    let config = region.http2.as_ref().filter(|_| http2).map_or(config, |http2| &http2.tls);
    let handshake = TlsConnector::from(config.clone()).connect(name.clone(), socket);
    let patience = limits.tls.min(limits.after(connect).total);
    let stream = timeout_at(opened + patience, handshake)
        .await
        .map_err(|_elapsed| {
            Fault::unsent(FaultKind::TlsTimeout, format!("no TLS session within {patience:?}"))
        })?
        .map_err(|error| Fault::unsent(FaultKind::Tls, error.to_string()))?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = Stream::Tls(Box::new(stream));
    let tls = Some(Instant::now() - opened);
    Ok(Connected { stream, connect, tls, http2 })
}

/// To one of the addresses; if all fail that are kept from before, to one of those that the name has
/// now.
///
/// # Errors
/// Why there is none: no address, nobody there, or this machine has no means to ask.
async fn open<T, F>(
    addresses: &Rc<Addresses>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Fault>
where
    F: Future<Output = io::Result<T>>,
{
    let dns = |unopened: Unopened| unopened.fault(FaultKind::Dns);
    let known = addresses.get(look_up).await.map_err(dns)?;
    let mut opened = race(&known.addresses, &connect).await;
    // the addresses are good if this machine is the one that fails
    if opened.as_ref().is_err_and(|unopened| !unopened.is_local()) {
        addresses.distrust();
        if known.is_kept {
            let now = addresses.get(look_up).await.map_err(dns)?;
            if now.addresses != known.addresses {
                opened = race(&now.addresses, &connect).await;
            }
        }
    }
    opened.map_err(|unopened| unopened.fault(FaultKind::Connect))
}

async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((host, port)).await?.collect())
}

/// Both options only make the connection better; one without them still works.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(TCP_KEEPALIVE);
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

/// Plain or TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Counts the bytes that left, encrypted ones if it is TLS.
    pub(crate) fn written(&self) -> &Arc<AtomicU64> {
        match self {
            Self::Plain(socket) => socket.written(),
            Self::Tls(stream) => stream.get_ref().0.written(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::{Sent, Side};

    #[tokio::test]
    async fn a_process_without_a_descriptor_left_says_so_and_blames_no_region() {
        const EMFILE: i32 = 24;
        let addresses = Addresses::new("127.0.0.1".into(), 443, TaskTracker::new());
        let connect = |_| async { Err::<(), _>(io::Error::from_raw_os_error(EMFILE)) };
        let fault = open(&addresses, connect).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (FaultKind::Local, Sent::Nothing), "{fault}");
        assert_eq!(fault.kind.side(), Side::Nearway);
        assert!(fault.detail.contains("limit on open files"), "{fault}");
    }
}
