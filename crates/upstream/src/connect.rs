//! A new connection to a region: resolve, connect, handshake, each fault named.
//!
//! The stream counts the bytes that left, which tells whether a failed request may go again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::gather::{Gathering, poll_write_gathered};
use crate::watch::{Watch, Watcher};
use crate::{Fault, FaultKind, Region};

/// Silence after which the kernel probes a connection; below the four minutes after which Azure's
/// load balancer forgets one (API fact sheet 11.2).
const TCP_KEEPALIVE: Duration = Duration::from_secs(45);

/// An open connection and what opening it took.
pub(crate) struct Connected {
    pub(crate) stream: Stream,
    pub(crate) written: Arc<AtomicU64>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) connect: Duration,
    pub(crate) tls: Option<Duration>,
    pub(crate) http2: bool,
}

/// Opens a connection within `limit`, TLS included; offers HTTP/2 if `http2` and the region may
/// have it.
pub(crate) async fn connect(
    region: &Region,
    limit: Duration,
    http2: bool,
) -> Result<Connected, Fault> {
    let started = Instant::now();
    let deadline = started + limit;
    let late = |what: &str| Fault::unsent(FaultKind::ConnectTimeout, format!("{what}: {limit:?}"));
    let tcp = timeout_at(deadline, open(region))
        .await
        .map_err(|_elapsed| late("no connection within"))??;
    let opened = Instant::now();
    let connect = opened - started;
    let written = Arc::new(AtomicU64::new(0));
    let watcher = Watcher::default();
    let watch = watcher.watch();
    let Some((config, name)) = &region.tls else {
        let stream = Stream { inner: Inner::Plain(tcp), written: written.clone(), watcher };
        return Ok(Connected { stream, written, watch, connect, tls: None, http2: false });
    };
    let config = region.http2.as_ref().filter(|_| http2).map_or(config, |http2| &http2.tls);
    let handshake = TlsConnector::from(config.clone()).connect(name.clone(), Gathering(tcp));
    let stream = timeout_at(deadline, handshake)
        .await
        .map_err(|_elapsed| late("no TLS session within"))?
        .map_err(|error| Fault::unsent(FaultKind::Tls, error.to_string()))?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = Stream { inner: Inner::Tls(Box::new(stream)), written: written.clone(), watcher };
    let tls = Some(Instant::now() - opened);
    Ok(Connected { stream, written, watch, connect, tls, http2 })
}

async fn open(region: &Region) -> Result<TcpStream, Fault> {
    let origin = region.origin();
    let addresses = tokio::net::lookup_host((origin.host.as_str(), origin.port))
        .await
        .map_err(|error| Fault::unsent(FaultKind::Dns, format!("{}: {error}", origin.host)))?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                tune(&stream);
                return Ok(stream);
            }
            Err(error) => last = Some(format!("{address}: {error}")),
        }
    }
    Err(match last {
        Some(detail) => Fault::unsent(FaultKind::Connect, detail),
        None => Fault::unsent(FaultKind::Dns, format!("{}: no address", origin.host)),
    })
}

/// Both options only make the connection better; one without them still works.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(TCP_KEEPALIVE);
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

/// Plain or TLS, counting what leaves and watching for interim answers.
pub(crate) struct Stream {
    inner: Inner,
    /// Bytes of requests handed to the socket; the pool holds the other end.
    written: Arc<AtomicU64>,
    watcher: Watcher,
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<Gathering>>),
}

impl Stream {
    fn count(&self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = result {
            self.written.fetch_add(u64::try_from(*bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = match &mut this.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        };
        this.watcher.look(buf.filled().get(before..).unwrap_or_default());
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        };
        this.count(&result);
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.inner {
            Inner::Plain(stream) => poll_write_gathered(stream, cx, bufs),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
        };
        this.count(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Plain(stream) => stream.is_write_vectored(),
            Inner::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
