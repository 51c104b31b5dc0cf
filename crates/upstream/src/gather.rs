//! Writes the pieces of a small message with one plain `send`.
//!
//! `writev` costs more in the kernel than the copy that it saves, as long as there is little to copy:
//! a head with a short body, or one chunk of a stream between its framing. Both sides' sockets are
//! written through this; larger messages go out as they lie.

use std::io::{self, IoSlice};
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Like the socket's own `poll_write_vectored`.
///
/// # Errors
/// Those of the socket.
pub fn poll_write_gathered(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    if let [piece] = pieces {
        return stream.poll_write(cx, piece);
    }
    let mut gathered = [0; GATHERED_MAX];
    let mut rest = gathered.as_mut_slice();
    for piece in pieces {
        let Some((place, behind)) = take(&mut rest).split_at_mut_checked(piece.len()) else {
            return stream.poll_write_vectored(cx, pieces);
        };
        place.copy_from_slice(piece);
        rest = behind;
    }
    let length = GATHERED_MAX - rest.len();
    stream.poll_write(cx, gathered.get(..length).unwrap_or_default())
}

/// The most bytes that are copied; they lie on the stack.
const GATHERED_MAX: usize = 4096;

/// A socket that is always written so, also by TLS, which writes a vector of one record; counts the
/// bytes that left.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    written: Arc<AtomicU64>,
}

impl Socket {
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self { tcp, written: Arc::default() }
    }

    /// The bytes that left.
    pub(crate) fn written(&self) -> &Arc<AtomicU64> {
        &self.written
    }

    fn count(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = polled {
            // nobody else writes it
            let before = self.written.load(Ordering::Relaxed);
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.written.store(before.saturating_add(bytes), Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = poll_write_gathered(&mut self.tcp, cx, bufs);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn every_byte_arrives_once_and_in_order_however_long_the_pieces_are() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (writer, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut writer, (mut reader, _)) = (writer.unwrap(), accepted.unwrap());
        for lengths in [
            vec![],
            vec![0],
            vec![5],
            vec![600, 1_000],
            vec![3, 100, 2],
            vec![4_000, 96],
            vec![4_000, 97],
            vec![0, 4_096, 0],
            vec![4_097],
            vec![10, 20_000, 10],
        ] {
            let pieces: Vec<Vec<u8>> =
                (1..).zip(&lengths).map(|(byte, length)| vec![byte; *length]).collect();
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let write = poll_fn(|cx| poll_write_gathered(&mut writer, cx, &slices));
            let written = write.await.unwrap();
            let total: usize = lengths.iter().sum();
            assert!(written == total || total > GATHERED_MAX && written > 0, "{lengths:?}");
            let mut read = vec![0; written];
            reader.read_exact(&mut read).await.unwrap();
            assert_eq!(read, pieces.concat()[..written], "{lengths:?}");
        }
    }
}
