//! One open WebSocket, from the upgrade to its close.
//!
//! A task of the region's group, started by `realtime.rs`. Pings and the close handshake are the
//! library's; the close code that came is kept for the tests of tunnels.

use std::sync::Arc;

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::events::{self, Speech};
use super::turns::{Turns, next_event};
use crate::region::Region;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What a socket is for.
#[derive(Debug)]
pub(super) enum Talk {
    /// Every message comes back as it is.
    Echo,
    /// A realtime session.
    Realtime(Speech),
    /// Responses, one after the other.
    Responses(Box<Turns>),
}

/// Runs until either side ends it.
pub(super) async fn run(region: Arc<Region>, on_upgrade: OnUpgrade, talk: Talk, mut rng: Rng) {
    let outage = region.outage();
    let Ok(upgraded) = on_upgrade.await else { return };
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let mut open = Open::count(region);
    tokio::select! {
        () = outage.cancelled() => {}
        // whatever ends a socket, its close code says it
        _ = converse(&mut socket, &talk, &mut rng, &mut open.close) => {}
    }
}

async fn converse(
    socket: &mut Socket,
    talk: &Talk,
    rng: &mut Rng,
    close: &mut u16,
) -> Result<(), Error> {
    if let Talk::Realtime(speech) = talk {
        let created = events::created(speech, rng);
        socket.send(Message::text(created.to_string())).await?;
    }
    while let Some(message) = socket.next().await {
        match message? {
            Message::Text(text) => {
                if let Some(scripted) = events::scripted_close(&text) {
                    socket.close(Some(scripted)).await?;
                    continue;
                }
                if let Talk::Responses(turns) = talk {
                    let mut answer = turns.take(&text).await;
                    while let Some(event) = next_event(&mut answer).await {
                        socket.send(Message::text(event)).await?;
                    }
                    continue;
                }
                let answer = match talk {
                    Talk::Realtime(speech) => events::answer(speech, &text, rng),
                    _ => None,
                };
                let Some(answer) = answer else {
                    socket.send(Message::Text(text)).await?;
                    continue;
                };
                for (wait, event) in answer {
                    if !wait.is_zero() {
                        sleep(wait).await;
                    }
                    socket.send(Message::text(event.to_string())).await?;
                }
            }
            Message::Binary(bytes) => socket.send(Message::Binary(bytes)).await?,
            Message::Close(frame) => {
                *close = frame.map_or(NO_CODE, |frame| frame.code.into());
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    Ok(())
}

/// Counts a socket as open until dropped, then keeps how it was closed.
struct Open {
    region: Arc<Region>,
    close: u16,
}

impl Open {
    fn count(region: Arc<Region>) -> Self {
        region.stats.with(|stats| stats.sockets_open += 1);
        Self { region, close: NO_CLOSE }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.region.stats.with(|stats| {
            stats.sockets_open = stats.sockets_open.saturating_sub(1);
            stats.last_close = Some(self.close);
        });
    }
}

/// RFC 6455 section 7.4.1: a close without a code, and no close at all.
const NO_CODE: u16 = 1005;
const NO_CLOSE: u16 = 1006;
