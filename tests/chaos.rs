//! A listener in front of a simulated region that breaks what goes through it, as told at run time.
//!
//! What only a connection can do wrong is done here; what an API does wrong the simulator does
//! itself. It reads requests one by one, so that a fault meets the next request and answers under
//! way go on, unless the fault cuts connections.

use std::future::pending;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::raw::{Client, eventually};

/// What the front does with connections and requests.
#[derive(Clone)]
pub(crate) enum Mode {
    /// Forwards.
    Pass,
    /// Nothing listens, and the connections there were are reset.
    Killed,
    /// Nothing listens, and the connections there were are closed.
    Closed,
    /// Connections are taken and nothing is ever answered, not even the rest of an answer.
    Silent,
    /// Connections are reset once taken, those there were at once.
    ResetAccept,
    /// A reset behind the head of an answer.
    ResetHead,
    /// A reset in the middle of an answer.
    ResetMiddle,
    /// A close in the middle of an answer whose head promised more.
    Truncated,
    /// Chunks whose size is no number.
    BadChunks,
    /// The answer waits for so long.
    SlowHead(Duration),
    /// An answer stops in the middle and the connection stays.
    Stall,
    /// This answer to everything; uploads are carried out all the same.
    Answer(&'static str),
    /// The same by somebody who has not let anything through to the region.
    Refusal(&'static str),
    /// New connections meet this certificate, those there were are closed.
    Certificate(TlsAcceptor),
}

impl Mode {
    fn listens(&self) -> bool {
        !matches!(self, Self::Killed | Self::Closed)
    }

    fn cuts(&self) -> bool {
        matches!(self, Self::Killed | Self::Closed | Self::ResetAccept | Self::Certificate(_))
    }

    fn resets(&self) -> bool {
        matches!(self, Self::Killed | Self::ResetAccept)
    }
}

/// A running front; ends when dropped.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    cancel: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// In front of a region that speaks plain HTTP; with `tls` the front itself is behind TLS.
    pub(crate) fn start(region: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let (mode, watched) = watch::channel(Mode::Pass);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let gate = Gate { region, tls, mode: watched, tasks: TaskTracker::new() };
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = gate.serve(listener) => {}
                }
            });
        });
        Self { address: told.recv().unwrap(), mode, cancel, thread: Some(thread) }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.cancel.cancel();
        let _ = self.thread.take().unwrap().join();
    }
}

struct Gate {
    region: SocketAddr,
    tls: Option<TlsAcceptor>,
    mode: watch::Receiver<Mode>,
    tasks: TaskTracker,
}

impl Gate {
    /// Takes connections; closes the listener and binds it anew as the mode says.
    async fn serve(mut self, mut listener: TcpListener) {
        let address = listener.local_addr().unwrap();
        loop {
            let stream = tokio::select! {
                biased;
                _ = self.mode.wait_for(|mode| !mode.listens()) => None,
                accepted = listener.accept() => accepted.ok().map(|(stream, _)| stream),
            };
            if let Some(stream) = stream {
                self.tasks.spawn(connection(
                    stream,
                    self.region,
                    self.acceptor(),
                    self.mode.clone(),
                ));
            } else if !self.mode.borrow().listens() {
                drop(listener);
                self.mode.wait_for(Mode::listens).await.unwrap();
                listener = TcpListener::bind(address).await.unwrap();
            }
        }
    }

    fn acceptor(&self) -> Option<TlsAcceptor> {
        match &*self.mode.borrow() {
            Mode::Certificate(other) => Some(other.clone()),
            _ => self.tls.clone(),
        }
    }
}

async fn connection(
    mut stream: TcpStream,
    region: SocketAddr,
    tls: Option<TlsAcceptor>,
    mut mode: watch::Receiver<Mode>,
) {
    let _ = stream.set_nodelay(true);
    if mode.borrow_and_update().resets() {
        let _ = stream.set_zero_linger();
        return;
    }
    let faults = mode.clone();
    let cut = async {
        // a mode that was there before the connection does not cut it
        while mode.changed().await.is_ok() && !mode.borrow().cuts() {}
        if mode.borrow().resets() { End::Reset } else { End::Close }
    };
    match tls {
        None => {
            let end = tokio::select! {
                end = cut => end,
                end = exchanges(&mut stream, region, faults) => end,
            };
            end.apply(&stream);
        }
        Some(tls) => {
            let Ok(mut stream) = tls.accept(stream).await else { return };
            let end = tokio::select! {
                end = cut => end,
                end = exchanges(&mut stream, region, faults) => end,
            };
            end.apply(stream.get_ref().0);
        }
    }
}

/// How a connection is left.
enum End {
    Close,
    Reset,
}

impl End {
    fn apply(&self, stream: &TcpStream) {
        if matches!(self, Self::Reset) {
            let _ = stream.set_zero_linger();
        }
    }
}

/// Requests and answers on one connection, until one of them ends it.
async fn exchanges<S>(client: &mut S, region: SocketAddr, mode: watch::Receiver<Mode>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut server) = TcpStream::connect(region).await else { return End::Close };
    let _ = server.set_nodelay(true);
    let (mut unread, mut answer) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let mut more = [0; 8 * 1024];
        tokio::select! {
            read = client.read(&mut more) => match read {
                Ok(read) if read > 0 => unread.extend_from_slice(&more[..read]),
                _ => return End::Close,
            },
            read = server.read(&mut answer) => {
                if matches!(*mode.borrow(), Mode::Silent) {
                    return pending().await;
                }
                match read {
                    Ok(read) if read > 0 && client.write_all(&answer[..read]).await.is_ok() => {}
                    _ => return End::Close,
                }
                continue;
            }
        }
        let Some(request) = whole_request(&mut unread) else { continue };
        let now = mode.borrow().clone();
        match broken(now, client, region, &request).await {
            Then::Forward => {}
            Then::Next => continue,
            Then::Leave(end) => return end,
        }
        if server.write_all(&request).await.is_err() {
            return End::Close;
        }
    }
}

/// Takes a request off the buffer once all of it is there; all senders announce its length.
fn whole_request(unread: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head = unread.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&unread[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let whole = head + length.map_or(0, |length| length.trim().parse::<usize>().unwrap());
    (unread.len() >= whole).then(|| unread.drain(..whole).collect())
}

/// What follows a request that was looked at.
enum Then {
    Forward,
    Next,
    Leave(End),
}

/// Answers a request in the front's own way, if the mode has one.
async fn broken<S>(mode: Mode, client: &mut S, region: SocketAddr, request: &[u8]) -> Then
where
    S: AsyncWrite + Unpin,
{
    let text = String::from_utf8_lossy(request);
    let upload = text.starts_with("POST") && text.contains("/files");
    let stream = text.contains("\"stream\":true");
    let (head, part) = match stream {
        true => (STREAM, EVENT),
        false => (JSON, HALF),
    };
    let refused = matches!(mode, Mode::Refusal(_));
    let (answer, then) = match mode {
        Mode::Pass | Mode::Killed | Mode::Closed | Mode::ResetAccept | Mode::Certificate(_) => {
            return Then::Forward;
        }
        Mode::SlowHead(wait) => {
            tokio::time::sleep(wait).await;
            return Then::Forward;
        }
        Mode::Silent => return pending().await,
        Mode::ResetHead => (head.to_owned(), Some(Then::Leave(End::Reset))),
        Mode::ResetMiddle => ([head, part].concat(), Some(Then::Leave(End::Reset))),
        Mode::Truncated => ([head, part].concat(), Some(Then::Leave(End::Close))),
        Mode::BadChunks => {
            let (head, chunk) = if stream { (STREAM, EVENT) } else { (CHUNKED_JSON, CHUNK) };
            ([head, chunk, "zz\r\n???\r\n"].concat(), Some(Then::Leave(End::Close)))
        }
        Mode::Stall => ([head, part].concat(), None),
        Mode::Answer(answer) | Mode::Refusal(answer) => (answer.to_owned(), Some(Then::Next)),
    };
    if upload && !refused {
        carry_out(region, request).await;
    }
    let _ = client.write_all(answer.as_bytes()).await;
    let _ = client.flush().await;
    let Some(then) = then else { return pending().await };
    then
}

/// Has the region do it, and loses the answer.
async fn carry_out(region: SocketAddr, request: &[u8]) {
    let Ok(mut server) = TcpStream::connect(region).await else { return };
    if server.write_all(request).await.is_ok() {
        let _ = server.read(&mut [0; 1024]).await;
    }
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                      transfer-encoding: chunked\r\n\r\n";
const EVENT: &str = "2f\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\r\n";
const JSON: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n";
const CHUNKED_JSON: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
const CHUNK: &str = "c\r\n{\"choices\":[\r\n";
const HALF: &str = "{\"choices\":[{\"message\":{\"con";

/// That the front need not wait with a reset: the system keeps it behind what was sent.
#[test]
fn what_was_sent_before_a_reset_can_be_read_after_it() {
    let region = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let front = Front::start(region.local_addr().unwrap(), None);
    front.set(Mode::ResetMiddle);
    for _ in 0..100 {
        let mut client = Client::connect(front.address);
        client.send("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
        eventually("the reset is here", || client.stream.take_error().unwrap().is_some());
        assert!(client.until(HALF).is_some());
    }
}
