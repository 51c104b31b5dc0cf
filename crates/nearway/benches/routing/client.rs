//! A client over HTTP/1.1 with kept connections: one chat, with the time of its first content.

use std::{cell::RefCell, net::SocketAddr};

use bytes::Bytes;
use http::{Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::spawn_local, time::Instant};

use crate::worlds::{DEPLOYMENT, KEY, OUTPUT, Request};

/// Connections to one address.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    idle: RefCell<Vec<Connection>>,
}

type Connection = http1::SendRequest<Full<Bytes>>;

/// A good answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Milliseconds to the first content.
    pub(crate) first: f64,
    /// Milliseconds to the end.
    pub(crate) total: f64,
    /// The region's name for itself.
    pub(crate) region: String,
}

impl Client {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, idle: RefCell::new(Vec::new()) }
    }

    /// `None` for whatever is no good answer.
    pub(crate) async fn chat(&self, request: Request) -> Option<Answer> {
        let began = Instant::now();
        let since = || Instant::now().duration_since(began).as_secs_f64() * 1_000.0;
        let mut connection = self.connection().await?;
        let mut response = connection.send_request(chat(self.address, request)).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let region = served_by(&response);
        let mut first = None;
        while let Some(frame) = response.body_mut().frame().await {
            let data = frame.ok()?.into_data().unwrap_or_default();
            if first.is_none() && has_content(&data) {
                first = Some(since());
            }
        }
        self.idle.borrow_mut().push(connection);
        Some(Answer { first: first?, total: since(), region })
    }

    async fn connection(&self) -> Option<Connection> {
        loop {
            let Some(mut idle) = self.idle.borrow_mut().pop() else { break };
            if idle.ready().await.is_ok() {
                return Some(idle);
            }
        }
        let stream = TcpStream::connect(self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        spawn_local(driver);
        Some(connection)
    }
}

/// The text of a page; empty if there is none.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let request = HttpRequest::get(path).header("host", address.to_string());
    let request = request.body(Full::default()).unwrap();
    let Some(mut connection) = Client::new(address).connection().await else {
        return String::new();
    };
    let Ok(response) = connection.send_request(request).await else { return String::new() };
    let whole = response.into_body().collect().await.map(Collected::to_bytes);
    String::from_utf8_lossy(&whole.unwrap_or_default()).into_owned()
}

fn chat(address: SocketAddr, request: Request) -> HttpRequest<Full<Bytes>> {
    let Request { prompt, streams, .. } = request;
    // about four characters a token
    let content = "word".repeat(usize::try_from(prompt).unwrap_or_default());
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"{content}"}}],"stream":{streams},"max_tokens":{OUTPUT}}}"#
    );
    let path = format!("/openai/deployments/{DEPLOYMENT}/chat/completions?api-version=2024-10-21");
    HttpRequest::post(path)
        .header("host", address.to_string())
        .header("api-key", KEY)
        .header("content-type", "application/json")
        .body(Full::from(body))
        .unwrap()
}

fn served_by(response: &Response<Incoming>) -> String {
    let name = response.headers().get("x-ms-region").and_then(|name| name.to_str().ok());
    name.unwrap_or_default().to_owned()
}

/// Whether a piece of an answer, streamed or not, holds a first token: all of them have letters.
fn has_content(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    text.split_once(r#""content":""#).is_some_and(|(_, rest)| !rest.starts_with('"'))
}
