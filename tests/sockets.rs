//! A WebSocket client of a proxy under test; every wait has a deadline.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::harness::Proxy;
use crate::raw::PATIENCE;

/// An open session, on a runtime of its own.
pub(crate) struct Socket {
    runtime: Runtime,
    stream: WebSocketStream<TcpStream>,
    /// Of the answer to the handshake.
    pub(crate) headers: HeaderMap,
}

/// Why there is none: status, headers and body.
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Socket {
    /// Opens one at this target, with these headers beside those of the handshake.
    pub(crate) fn open(
        proxy: &Proxy,
        target: &str,
        lines: &[(&'static str, &str)],
    ) -> Result<Self, Box<Refused>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = proxy.listen;
        let mut request = format!("ws://{address}{target}").into_client_request().unwrap();
        for (name, value) in lines {
            let (name, value) = (HeaderName::from_static(name), HeaderValue::from_str(value));
            request.headers_mut().append(name, value.unwrap());
        }
        let opened = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            timeout(PATIENCE, client_async(request, stream)).await.expect("an answer")
        });
        match opened {
            Ok((stream, response)) => {
                Ok(Self { runtime, stream, headers: response.headers().clone() })
            }
            Err(Error::Http(response)) => {
                let (head, body) = response.into_parts();
                let (status, headers) = (head.status.as_u16(), head.headers);
                let body = body.unwrap_or_default();
                Err(Box::new(Refused { status, headers, body }))
            }
            Err(error) => panic!("{target}: {error}"),
        }
    }

    /// A header of the answer to the handshake.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        self.runtime.block_on(self.stream.send(message.into())).unwrap();
    }

    /// The next message; `None` when there is none within `patience`.
    pub(crate) fn next_within(&mut self, patience: Duration) -> Option<Message> {
        let next = self.runtime.block_on(async { timeout(patience, self.stream.next()).await });
        next.ok().map(|next| next.expect("a message").expect("a sound one"))
    }

    pub(crate) fn next(&mut self) -> Message {
        self.next_within(PATIENCE).expect("a message")
    }

    /// The next one as JSON.
    pub(crate) fn event(&mut self) -> Value {
        let message = self.next();
        serde_json::from_str(message.to_text().unwrap()).unwrap_or_else(|_| panic!("{message:?}"))
    }

    /// Code and reason of the close that comes next.
    pub(crate) fn closed(&mut self) -> (u16, String) {
        match self.next() {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("not closed: {other:?}"),
        }
    }
}
