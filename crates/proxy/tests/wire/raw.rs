//! Regions and clients as plain blocking sockets: a test sees exactly the bytes that crossed the wire.
//!
//! Every wait has a deadline, so a broken proxy fails a test instead of hanging it. Also used by the
//! end-to-end tests of the whole product.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Long enough for a loaded machine, short enough to notice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Tries until it holds; panics with `what` when patience ends.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        // what is waited for may need the processor
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// A request head of a region or an answer's head of a client, and the body behind it.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// What came behind the last chunk.
    pub(crate) trailers: String,
    /// The body came to the end that its framing promised.
    pub(crate) complete: bool,
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// All values of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A raw connection, from either side.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// At least one more byte, or false at the end or a reset.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    /// Up to and with the delimiter; `None` if the other side ends first.
    pub(crate) fn until(&mut self, delimiter: &str) -> Option<String> {
        loop {
            let found = self
                .unread
                .windows(delimiter.len())
                .position(|window| window == delimiter.as_bytes());
            if let Some(at) = found {
                let rest = self.unread.split_off(at + delimiter.len());
                let taken = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8_lossy(&taken).into_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Exactly so many bytes, or fewer if the other side ends first.
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count && self.fill() {}
        let rest = self.unread.split_off(count.min(self.unread.len()));
        std::mem::replace(&mut self.unread, rest)
    }

    /// Whether the other side has ended; reads away what it still sends.
    pub(crate) fn is_closed(&mut self) -> bool {
        while self.fill() {}
        true
    }

    /// A whole message; the request's method decides whether an answer has a body.
    pub(crate) fn response(&mut self) -> Response {
        let head = self.until("\r\n\r\n").expect("an answer");
        self.body_behind(head)
    }

    fn body_behind(&mut self, head: String) -> Response {
        let mut response =
            Response { head, body: Vec::new(), trailers: String::new(), complete: true };
        let is_answer = response.head.starts_with("HTTP/");
        if is_answer && matches!(response.status(), 100..200 | 204 | 304) {
            return response;
        }
        if response.header("transfer-encoding").is_some() {
            loop {
                let Some(line) = self.until("\r\n") else {
                    response.complete = false;
                    return response;
                };
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                if size == 0 {
                    break;
                }
                let chunk = self.exactly(size);
                response.complete &= chunk.len() == size;
                response.body.extend(chunk);
                self.until("\r\n");
            }
            while let Some(line) = self.until("\r\n") {
                if line == "\r\n" {
                    return response;
                }
                response.trailers.push_str(&line);
            }
            response.complete = false;
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().unwrap();
            response.body = self.exactly(length);
            response.complete = response.body.len() == length;
        } else if is_answer {
            while self.fill() {}
            response.body = std::mem::take(&mut self.unread);
        }
        response
    }
}

/// What a region does with a request that it has read.
type Handler = dyn Fn(&Response, &mut Client) + Send + Sync;

/// A region that answers with raw bytes; the proxy's own reachability probes are answered for it.
pub(crate) struct RawRegion {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Response>>>,
}

impl RawRegion {
    /// `handler` gets each request and its connection, which stays open until the proxy ends it
    /// or the handler shuts it down.
    pub(crate) fn start(handler: impl Fn(&Response, &mut Client) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let log = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, log) = (handler.clone(), log.clone());
                let stream = stream.unwrap();
                std::thread::spawn(move || serve(stream, &*handler, &log));
            }
        });
        Self { address, seen }
    }

    /// One that always gives this answer.
    pub(crate) fn answering(answer: &'static str) -> Self {
        Self::start(move |_, connection| connection.send(answer))
    }

    /// One that says 200 and its name.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::start(move |_, connection| {
            connection
                .send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()));
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, probes left out.
    pub(crate) fn seen(&self) -> Vec<Response> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, handler: &Handler, log: &Mutex<Vec<Response>>) {
    // an idle connection of the pool may wait for longer than a test is patient
    stream.set_nodelay(true).unwrap();
    let mut connection = Client { stream, unread: Vec::new() };
    while let Some(head) = connection.until("\r\n\r\n") {
        let probe =
            ["GET /status-", "GET /openai/models", "GET /openai/v1/models", "GET /v1/models"];
        if probe.iter().any(|start| head.starts_with(start)) {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            continue;
        }
        if head.to_ascii_lowercase().contains("expect: 100-continue") {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        let request = connection.body_behind(head);
        log.lock().unwrap().push(request.clone());
        handler(&request, &mut connection);
    }
}

/// An address where nobody listens.
pub(crate) fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
