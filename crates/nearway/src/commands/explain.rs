//! `nearway explain`: asks a running proxy which region a request would get, and prints its answer.
//!
//! The proxy words the answer itself, so that it fits what is running. Here is only the asking.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::{ConfigFile, Explain};
use crate::output;

pub(super) fn run(arguments: Explain) -> anyhow::Result<()> {
    let target = target(&arguments);
    let as_json = arguments.json;
    let admin = address(arguments)?;
    let response = super::block_on(async {
        let asked = timeout(PATIENCE, ask(&admin, &target)).await;
        let asked = asked.unwrap_or_else(|_| Err(anyhow!("no answer within {PATIENCE:?}")));
        asked.with_context(|| format!("cannot ask {admin} ({REMEDY})"))
    })?;
    let text = answer(&response).with_context(|| admin.clone())?;
    let printed = if as_json { output::line(text) } else { output::print(text) };
    Ok(printed?)
}

/// Where the admin listener is: `--admin`, or what the file says.
fn address(arguments: Explain) -> anyhow::Result<String> {
    if let Some(admin) = arguments.admin {
        let host = admin.strip_prefix("http://").unwrap_or(&admin);
        return Ok(host.trim_end_matches('/').to_owned());
    }
    let config =
        arguments.config.context("name a file with --config, or an address with --admin")?;
    let (config, _, _) = super::read(ConfigFile { config })
        .context("the file cannot be used as it is here; --admin ADDRESS does without")?;
    let address = config.admin.address;
    if address.port() == 0 {
        bail!("admin.address leaves its port open; say --admin ADDRESS, as the proxy's log has it");
    }
    Ok(reachable(address).to_string())
}

/// Where to connect to what listens there: an address that stands for all of a machine's is none of
/// its own.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn target(arguments: &Explain) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let form = if arguments.json { "json" } else { "text" };
    let stream = !arguments.no_stream;
    let mut target =
        format!("/api/explain?as={form}&stream={stream}&path={}", encoded(&arguments.path));
    let named = [
        ("deployment", &arguments.deployment),
        ("client", &arguments.client),
        ("method", &arguments.method),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            target += &format!("&{name}={}", encoded(value));
        }
    }
    if let Some(tokens) = arguments.prompt_tokens {
        target += &format!("&prompt_tokens={tokens}");
    }
    target
}

async fn ask(admin: &str, target: &str) -> anyhow::Result<Response<Bytes>> {
    let stream = TcpStream::connect(admin).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(target)
        .header(header::HOST, admin)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|error| anyhow!("its answer cannot be read: {error}"))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    tokio::pin!(exchange);
    tokio::select! {
        exchanged = &mut exchange => exchanged,
        // what it has read is still to be looked at
        _ = connection => exchange.await,
    }
}

/// The text to print; an answer that is none is an error.
fn answer(response: &Response<Bytes>) -> anyhow::Result<&str> {
    let text = std::str::from_utf8(response.body()).context("its answer is no text")?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(text);
    }
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    match json.get("error").and_then(|error| error.as_str()) {
        Some(error) if status == StatusCode::BAD_REQUEST => bail!("refused: {error}"),
        Some(error) if error.starts_with("client: ") => bail!("refused: {error}"),
        _ => bail!("answers {status}, so that is not the admin listener of this version"),
    }
}

/// What to do when it fails.
const REMEDY: &str = "start `nearway serve`, or say --admin ADDRESS if it listens elsewhere";
/// For all of it: an answer is made at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// A thousand regions fit.
const ANSWER_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn explain(more: &[&str]) -> Explain {
        let arguments = [&["nearway", "explain", "--admin", "http://admin:1/"], more].concat();
        let Command::Explain(explain) = Cli::try_parse_from(arguments).unwrap().command else {
            panic!("explain")
        };
        explain
    }

    #[test]
    fn what_is_asked_goes_into_the_query_whatever_it_holds() {
        let target = |more: &[&str]| target(&explain(more));
        let plain = "/api/explain?as=text&stream=true&path=%2Fv1%2Fchat%2Fcompletions";
        assert_eq!(target(&[]), plain);
        let asked =
            target(&["--deployment", "a&b=c d", "--prompt-tokens", "9", "--no-stream", "--json"]);
        assert!(asked.starts_with("/api/explain?as=json&stream=false&"), "{asked}");
        assert!(asked.ends_with("&deployment=a%26b%3Dc%20d&prompt_tokens=9"), "{asked}");
        let asked = target(&["--client", "web", "--method", "GET"]);
        assert_eq!(asked, format!("{plain}&client=web&method=GET"));
    }

    #[test]
    fn an_address_is_one_that_can_be_connected_to() {
        assert_eq!(address(explain(&[])).unwrap(), "admin:1");
        for (listens, reached) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:2", "10.0.0.1:2"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), reached);
        }
    }

    #[test]
    fn an_answer_that_is_none_says_why() {
        let answered = |status, body: &'static str| {
            let mut response = Response::new(Bytes::from(body));
            *response.status_mut() = status;
            answer(&response).map(str::to_owned).map_err(|error| error.to_string())
        };
        assert_eq!(answered(StatusCode::OK, "a is taken").unwrap(), "a is taken");
        let wrong = answered(StatusCode::BAD_REQUEST, "{\"error\":\"stream: no\"}");
        assert_eq!(wrong.unwrap_err(), "refused: stream: no");
        let unknown = "{\"error\":\"client: unknown; there are web\"}";
        let unknown = answered(StatusCode::NOT_FOUND, unknown).unwrap_err();
        assert_eq!(unknown, "refused: client: unknown; there are web");
        let foreign = answered(StatusCode::NOT_FOUND, "{\"error\":\"not found\"}").unwrap_err();
        assert!(foreign.contains("not the admin listener of this version"), "{foreign}");
    }
}
