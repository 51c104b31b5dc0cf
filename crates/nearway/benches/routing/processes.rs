//! The processes: simulated regions, and the proxies in front of them. Each ends with its handle.

use std::{
    fmt::{self, Display},
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

use crate::{contestant::Strategy, proxy_configs, world::World};

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

/// Why there is no such proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missing {
    /// Not found where it could be.
    Program,
    /// It did not serve in time, or ended.
    Start,
}

impl Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "it is not here",
            Self::Start => "it did not start",
        })
    }
}

impl Proxy {
    /// An error also if this binary does not take the strategy.
    pub(crate) async fn nearway(
        regions: &[SocketAddr],
        strategy: Strategy,
    ) -> Result<Self, Missing> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nearway.yaml");
        let announced = folder.path().join("addresses.json");
        std::fs::write(&config, proxy_configs::nearway(regions, strategy)).unwrap();
        let mut command = Command::new(nearway());
        command.args(["serve", "--config"]).arg(&config).arg("--announce").arg(&announced);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = spawn(&mut command).ok_or(Missing::Start)?;
        let told = timeout(STARTS_IN, async {
            while !announced.exists() && process.try_wait().unwrap().is_none() {
                sleep(LOOK_EVERY).await;
            }
            std::fs::read_to_string(&announced).ok()
        });
        let told = told.await.ok().flatten().ok_or(Missing::Start)?;
        let told: Value = serde_json::from_str(&told).unwrap();
        let of = |name| told.get(name)?.as_str()?.parse().ok();
        let (address, admin) = (of("listen").ok_or(Missing::Start)?, of("admin"));
        Ok(Self { address, admin, _process: process, _folder: folder })
    }

    pub(crate) async fn haproxy(regions: &[SocketAddr]) -> Result<Self, Missing> {
        Self::other("haproxy", &["-q", "-f"], proxy_configs::haproxy, regions).await
    }

    pub(crate) async fn nginx(regions: &[SocketAddr]) -> Result<Self, Missing> {
        Self::other("nginx", &["-e", "stderr", "-c"], proxy_configs::nginx, regions).await
    }

    /// Tries again on another port if it does not start, as somebody else may have taken the first.
    async fn other(
        program: &str,
        arguments: &[&str],
        config: fn(&Path, u16, &[SocketAddr]) -> String,
        regions: &[SocketAddr],
    ) -> Result<Self, Missing> {
        let program = PATH.map(|folder| Path::new(folder).join(program));
        let program = program.iter().find(|program| program.exists()).ok_or(Missing::Program)?;
        for _ in 0..STARTS {
            let folder = tempfile::tempdir().unwrap();
            let address = free_address();
            let file = folder.path().join("config");
            std::fs::write(&file, config(folder.path(), address.port(), regions)).unwrap();
            let mut command = Command::new(program);
            command.args(arguments).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
            let mut process = spawn(&mut command).ok_or(Missing::Start)?;
            let serves = timeout(STARTS_IN, serves(&mut process, address)).await;
            if serves.unwrap_or_default() {
                return Ok(Self { address, admin: None, _process: process, _folder: folder });
            }
        }
        Err(Missing::Start)
    }
}

/// Waits until it does; `false` if it ends before.
async fn serves(process: &mut Child, address: SocketAddr) -> bool {
    while process.try_wait().unwrap().is_none() {
        if TcpStream::connect(address).await.is_ok() {
            return true;
        }
        sleep(LOOK_EVERY).await;
    }
    false
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

/// The binary that this benchmark was built with; `NEARWAY=FILE` measures another proxy.
const NEARWAY: &str = env!("CARGO_BIN_EXE_nearway");
/// Where the others may be: installed, or unpacked by `make bench-routing`.
const PATH: [&str; 4] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/usr/sbin"),
];
/// Before the first request.
const STARTS_IN: Duration = Duration::from_millis(2_500);
/// Of one program.
const STARTS: usize = 3;
const LOOK_EVERY: Duration = Duration::from_millis(20);
