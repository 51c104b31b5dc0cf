//! A running simulator and the smallest client for it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nearway_sim::{Control, RegionWorld, Sim, Stats, World};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub(crate) const KEY: &str = "secret-east";

/// A simulator that ends with the value.
pub(crate) struct Running {
    pub(crate) sim: Sim,
    pub(crate) tasks: TaskTracker,
    pub(crate) end: DropGuard,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }
}

/// One region named `eastus` that answers at once.
pub(crate) fn eastus() -> RegionWorld {
    let mut region = RegionWorld::new("eastus", KEY).with_deployments(&["gpt-4o", "embed"]);
    region.display = Some("East US".to_owned());
    region
}

pub(crate) async fn start(regions: Vec<RegionWorld>) -> Running {
    let mut listeners = Vec::new();
    for _ in &regions {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let cancel = CancellationToken::new();
    let end = cancel.clone().drop_guard();
    let world = World { seed: 7, repeat_every_s: None, regions };
    let sim = Sim::start(world, listeners, None, cancel).unwrap();
    Running { sim, tasks: TaskTracker::new(), end }
}

/// `eastus` and, at place 1, `westus`, which knows nothing of what `eastus` makes.
pub(crate) async fn start_two() -> Running {
    let mut westus = eastus();
    westus.name = "westus".to_owned();
    start(vec![eastus(), westus]).await
}

pub(crate) async fn start_one(region: RegionWorld) -> Running {
    start(vec![region]).await
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address_of(0)
    }

    pub(crate) fn address_of(&self, region: usize) -> SocketAddr {
        self.sim.regions()[region].url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    pub(crate) fn control(&self) -> Control {
        self.sim.control()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.control().stats("eastus").unwrap()
    }

    /// Sends on a new connection; the answer's body is still to be read.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.send_to(self.address(), request).await
    }

    pub(crate) async fn send_to(
        &self,
        address: SocketAddr,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn(connection.with_upgrades());
        sender.send_request(request).await
    }

    pub(crate) async fn whole(&self, request: Request<Full<Bytes>>) -> Answer {
        read(self.send(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.whole(request(Method::GET, target, Bytes::new())).await
    }

    pub(crate) async fn post(&self, target: &str, body: &Value) -> Answer {
        self.whole(request(Method::POST, target, body.to_string())).await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.whole(request(Method::DELETE, target, Bytes::new())).await
    }

    /// The object that a region, by its place in the world, makes; it must.
    pub(crate) async fn made(&self, target: &str, body: &Value) -> Value {
        let answer = self.post(target, body).await;
        assert_eq!(answer.status, 200, "{target}: {:?}", answer.body);
        answer.json()
    }

    /// The same request at any region.
    pub(crate) async fn ask(&self, region: usize, request: Request<Full<Bytes>>) -> Answer {
        read(self.send_to(self.address_of(region), request).await.unwrap()).await
    }

    /// A file of `eastus`, by its id.
    pub(crate) async fn file(&self, purpose: &str, content: &str) -> String {
        let form = form(&[("purpose", purpose)], ("file", "a.jsonl", content));
        id(&self.whole(multipart("/openai/v1/files", form)).await.json())
    }

    /// Posts and gives each piece as it came, with the time since it was asked for.
    pub(crate) async fn stream(&self, target: &str, body: &Value) -> Vec<(Duration, String)> {
        let asked = Instant::now();
        let response = self.send(request(Method::POST, target, body.to_string())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        let mut body = response.into_body();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            let since = Instant::now().duration_since(asked);
            pieces.push((since, String::from_utf8(data.to_vec()).unwrap()));
        }
        pieces
    }
}

/// The events of a stream, however they came.
pub(crate) fn events(pieces: &[(Duration, String)]) -> Vec<String> {
    let text: String = pieces.iter().map(|(_, piece)| piece.as_str()).collect();
    text.split_inclusive("\n\n").map(str::to_owned).collect()
}

/// The id of an object.
pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id: {object}")).to_owned()
}

/// The ids of a list, in order.
pub(crate) fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(id).collect()
}

/// A form with some fields and a file (name of the part, name of the file, content).
pub(crate) fn form(fields: &[(&str, &str)], (part, file, content): (&str, &str, &str)) -> String {
    let fields: String = fields
        .iter()
        .map(|(name, value)| {
            format!("--xyz\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .collect();
    format!(
        "{fields}--xyz\r\ncontent-disposition: form-data; name=\"{part}\"; filename=\"{file}\"\r\n\
         content-type: text/plain\r\n\r\n{content}\r\n--xyz--\r\n"
    )
}

/// Posts a form.
pub(crate) fn multipart(target: &str, form: String) -> Request<Full<Bytes>> {
    let mut request = request(Method::POST, target, form);
    let kind = "multipart/form-data; boundary=xyz".parse().unwrap();
    request.headers_mut().insert("content-type", kind);
    request
}

/// With the region's key and as JSON.
pub(crate) fn request(
    method: Method,
    target: &str,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", "sim")
        .header("api-key", KEY)
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

pub(crate) async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// The JSON after `data: ` of one event; `None` for `[DONE]`.
pub(crate) fn data(event: &str) -> Option<Value> {
    let line = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    (line != "[DONE]").then(|| serde_json::from_str(line).unwrap())
}

/// Waits until something holds; the deadline is for a test that would fail.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("{what}"));
}
