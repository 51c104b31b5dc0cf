//! A last word to one side of a WebSocket, said so that it arrives.
//!
//! A socket that is dropped while bytes of the other side lie in it unread is reset, and takes the word with
//! it. So what still comes is read away until the other side has ended, too.

use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Says it and ends; over when the other side has ended, too, or has broken. The caller keeps the time:
/// nobody is waited for for longer than [`FAREWELL`].
pub(crate) async fn say(mut side: Pin<&mut (impl AsyncRead + AsyncWrite)>, word: &[u8]) {
    if side.write_all(word).await.is_err() || side.shutdown().await.is_err() {
        return;
    }
    let mut away = [0; AWAY];
    while side.read(&mut away).await.is_ok_and(|read| read > 0) {}
}

/// Two round trips around the world and a lost packet.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes that are read away at once.
const AWAY: usize = 1024;
