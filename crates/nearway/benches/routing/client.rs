//! A client over HTTP/1.1 with kept connections: one chat, with the time of its first content.

use std::{cell::RefCell, net::SocketAddr};

use bytes::Bytes;
use http::{Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::spawn_local, time::Instant};

use crate::{
    first_content::FirstContent,
    score::Answer,
    world::{DEPLOYMENT, KEY, OUTPUT, Request},
};

/// Connections to one address.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    /// The one that was used last is taken first.
    idle: RefCell<Vec<Connection>>,
}

type Body = Full<Bytes>;
type Connection = http1::SendRequest<Body>;

impl Client {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, idle: RefCell::new(Vec::new()) }
    }

    /// `None` for whatever is no good answer.
    pub(crate) async fn chat(&self, request: Request) -> Option<Answer> {
        let began = Instant::now();
        let since = || Instant::now().duration_since(began).as_secs_f64() * 1_000.0;
        let (connection, mut response) = self.send(&chat(self.address, request)).await?;
        let region = served_by(&response);
        let is_good = response.status() == StatusCode::OK;
        let (mut content, mut first) = (FirstContent::default(), None);
        while let Some(frame) = response.body_mut().frame().await {
            let data = frame.ok()?.into_data().unwrap_or_default();
            if first.is_none() && content.is_here(&data) {
                first = Some(since());
            }
        }
        self.idle.borrow_mut().push(connection);
        Some(Answer { first: first?, total: since(), region }).filter(|_| is_good)
    }

    /// Whether a request needs a new connection.
    pub(crate) fn is_cold(&self) -> bool {
        self.idle.borrow().iter().all(Connection::is_closed)
    }

    /// On a kept connection, if one is left; on a new one if that dies before any answer, as the other end
    /// may have closed it meanwhile.
    async fn send(&self, request: &HttpRequest<Body>) -> Option<(Connection, Response<Incoming>)> {
        loop {
            let Some(mut kept) = self.idle.borrow_mut().pop() else { break };
            if kept.ready().await.is_ok() {
                if let Ok(response) = kept.send_request(request.clone()).await {
                    return Some((kept, response));
                }
                break;
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request.clone()).await.ok()?;
        Some((connection, response))
    }

    async fn connect(&self) -> Option<Connection> {
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
    let Some((_connection, response)) = Client::new(address).send(&request).await else {
        return String::new();
    };
    let whole = response.into_body().collect().await.map(Collected::to_bytes);
    String::from_utf8_lossy(&whole.unwrap_or_default()).into_owned()
}

fn chat(address: SocketAddr, request: Request) -> HttpRequest<Body> {
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
