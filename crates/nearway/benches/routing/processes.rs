//! The processes: simulated regions, and the proxies in front of them. Each ends with its handle.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nearway_sim::World as Script;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{
    contestants::Strategy,
    worlds::{DEPLOYMENT, KEY, World},
};

/// The regions of one contestant.
#[derive(Debug)]
pub(crate) struct Regions {
    pub(crate) addresses: Vec<SocketAddr>,
    /// Where they tell what they saw.
    pub(crate) control: SocketAddr,
    pub(crate) began: Instant,
    _process: Child,
    _folder: TempDir,
}

impl Regions {
    pub(crate) async fn start(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("world.json");
        let script = Script { seed: 7, repeat_every_s: None, regions: world.regions.clone() };
        std::fs::write(&file, serde_json::to_string(&script).unwrap()).unwrap();
        let mut command = Command::new(NEARWAY);
        command.args(["sim", "--json", "--config"]).arg(&file).stdout(Stdio::piped());
        let mut process = spawn(&mut command).unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let began = Instant::now();
        let told: Value = serde_json::from_str(&line).unwrap();
        let regions = told.get("regions").and_then(Value::as_array).unwrap();
        let addresses = regions.iter().map(|region| address(region.get("url"))).collect();
        let control = address(told.get("control"));
        Self { addresses, control, began, _process: process, _folder: folder }
    }
}

/// A proxy that serves.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Nearway's own listener for metrics.
    pub(crate) admin: Option<SocketAddr>,
    _process: Child,
    _folder: TempDir,
}

impl Proxy {
    /// `None` if this binary does not take the strategy.
    pub(crate) async fn nearway(regions: &[SocketAddr], strategy: Strategy) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nearway.yaml");
        let announced = folder.path().join("addresses.json");
        std::fs::write(&config, nearway_config(regions, strategy)).unwrap();
        let mut command = Command::new(nearway());
        command.args(["serve", "--config"]).arg(&config).arg("--announce").arg(&announced);
        let mut process = spawn(command.stdout(Stdio::null()).stderr(Stdio::null())).unwrap();
        let told = timeout(STARTS_IN, async {
            while !announced.exists() && process.try_wait().unwrap().is_none() {
                sleep(LOOK_EVERY).await;
            }
            std::fs::read_to_string(&announced).ok()
        });
        let told: Value = serde_json::from_str(&told.await.ok()??).unwrap();
        let of = |name| told.get(name)?.as_str()?.parse().ok();
        let (address, admin) = (of("listen")?, of("admin"));
        Some(Self { address, admin, _process: process, _folder: folder })
    }

    /// `None` if it is not installed.
    pub(crate) async fn haproxy(regions: &[SocketAddr]) -> Option<Self> {
        Self::other("haproxy", &["-q", "-f"], haproxy_config, regions).await
    }

    /// `None` if it is not installed.
    pub(crate) async fn nginx(regions: &[SocketAddr]) -> Option<Self> {
        Self::other("nginx", &["-e", "stderr", "-c"], nginx_config, regions).await
    }

    async fn other(
        program: &str,
        arguments: &[&str],
        config: fn(&Path, u16, &[SocketAddr]) -> String,
        regions: &[SocketAddr],
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let file = folder.path().join("config");
        std::fs::write(&file, config(folder.path(), address.port(), regions)).unwrap();
        let program = PATH.map(|folder| Path::new(folder).join(program));
        let program = program.iter().find(|program| program.exists())?;
        let mut command = Command::new(program);
        command.args(arguments).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = spawn(&mut command)?;
        let serves = timeout(STARTS_IN, async {
            while TcpStream::connect(address).await.is_err() {
                sleep(LOOK_EVERY).await;
            }
        });
        serves.await.ok()?;
        Some(Self { address, admin: None, _process: process, _folder: folder })
    }
}

fn spawn(command: &mut Command) -> Option<Child> {
    command.stdin(Stdio::null()).kill_on_drop(true).spawn().ok()
}

/// Of an URL without a path.
fn address(url: Option<&Value>) -> SocketAddr {
    url.unwrap().as_str().unwrap().trim_start_matches("http://").parse().unwrap()
}

/// Whoever takes it next has it: good enough for programs that must be told a port.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn nearway() -> PathBuf {
    std::env::var_os("NEARWAY").map_or_else(|| NEARWAY.into(), PathBuf::from)
}

/// A thirtieth of the defaults' times, as a probe interval is a second here.
fn nearway_config(regions: &[SocketAddr], strategy: Strategy) -> String {
    let mut text = format!(
        "listen: {{address: 127.0.0.1:0}}
admin: {{address: 127.0.0.1:0}}
workers: 1
probe: {{deployments: [{DEPLOYMENT}], interval: 1s, timeout: 2s}}
routing: {{strategy: {}, switch: {{hold: 1s}}}}
failover: {{backoff_min: 50ms, backoff_max: 300ms}}
cooldown: {{default: 160ms, cap: 2s, unauthorized: 2s}}
breaker: {{window: 1s, pause_min: 160ms, pause_max: 2s, ramp: 300ms}}
log: {{requests: false}}
regions:
",
        strategy.as_str()
    );
    for (place, region) in regions.iter().enumerate() {
        // writing to a string cannot fail
        let _ = writeln!(text, "  - {{name: r{place}, url: 'http://{region}', api_key: {KEY}}}");
    }
    text
}

fn haproxy_config(_: &Path, port: u16, regions: &[SocketAddr]) -> String {
    let mut text = format!(
        "global
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  retries 2
  option redispatch 1
  option http-no-delay
  retry-on conn-failure empty-response response-timeout 500 503
frontend clients
  bind 127.0.0.1:{port}
  default_backend regions
backend regions
  balance leastconn
  http-reuse always
"
    );
    for (place, region) in regions.iter().enumerate() {
        let _ = writeln!(text, "  server r{place} {region}");
    }
    text
}

fn nginx_config(folder: &Path, port: u16, regions: &[SocketAddr]) -> String {
    let folder = folder.display();
    let servers: String = regions.iter().map(|region| format!("server {region}; ")).collect();
    format!(
        "daemon off; worker_processes 1; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  client_body_buffer_size 1m;
  upstream regions {{ least_conn; {servers} keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://regions;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_buffering off;
      proxy_next_upstream error timeout http_429 http_500 http_503 non_idempotent;
      proxy_next_upstream_tries 3;
    }}
  }}
}}
"
    )
}

/// The binary that this benchmark was built with; `NEARWAY=FILE` measures another proxy.
const NEARWAY: &str = env!("CARGO_BIN_EXE_nearway");
/// Where the others may be: installed, or unpacked by `make bench-routing`.
const PATH: [&str; 4] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/usr/sbin"),
];
const STARTS_IN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);
