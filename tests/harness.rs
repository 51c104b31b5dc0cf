//! The whole product on ports of the system's choice: `nearway::run`, as the binary runs it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::JoinHandle;

use nearway::{Hooks, Listeners, Reload};
use nearway_sim::{Control, RegionWorld, Sim, SimTls, Stats, World};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::raw::{Client, Response};

/// A region of a configuration: name, URL and further lines.
pub(crate) fn region(name: &str, url: &str, more: &str) -> String {
    format!("  - {{name: {name}, url: '{url}'{more}}}\n")
}

/// A configuration of these regions that probes reachability once a second.
pub(crate) fn config(regions: &[String], more: &str) -> String {
    format!(
        "listen: {{address: '127.0.0.1:0'}}\nadmin: {{address: '127.0.0.1:0'}}\nworkers: 2\n\
         log: {{requests: false}}\nregions:\n{}{more}\n",
        regions.concat()
    )
}

/// A proxy that is not started yet, and whose clients can connect already.
pub(crate) struct Bound {
    pub(crate) listen: SocketAddr,
    config: nearway_config::Config,
    listeners: Listeners,
}

/// A running proxy; stops and is awaited when dropped.
pub(crate) struct Proxy {
    pub(crate) listen: SocketAddr,
    admin: SocketAddr,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Bound {
    pub(crate) fn new(yaml: &str) -> Self {
        let config = nearway_config::load(yaml.as_bytes(), &|_: &str| None, &Disk)
            .unwrap_or_else(|problems| panic!("{problems}\n{yaml}"));
        let workers = NonZeroUsize::new(config.workers.unwrap()).unwrap();
        let (clients, admin) = (config.listen.address, config.admin.address);
        let listeners = Listeners::bind(clients, admin, workers).unwrap();
        Self { listen: listeners.client_address().unwrap(), config, listeners }
    }

    /// Returns once it serves; follows changes of what `reload` names.
    pub(crate) fn start(self, reload: Option<Reload>) -> Proxy {
        let Self { config, listeners, .. } = self;
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let (serving, served) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let hooks = Hooks { reload, serving: Some(serving) };
            runtime.unwrap().block_on(nearway::run(config, listeners, hooks, stop)).unwrap();
        });
        let serving = served.blocking_recv().expect("the proxy starts");
        Proxy { listen: serving.listen, admin: serving.admin, shutdown, thread: Some(thread) }
    }
}

impl Proxy {
    /// Starts one and returns once it serves.
    pub(crate) fn start(yaml: &str) -> Self {
        Self::start_with(yaml, None)
    }

    /// The same, following changes of what `reload` names.
    pub(crate) fn start_with(yaml: &str, reload: Option<Reload>) -> Self {
        Bound::new(yaml).start(reload)
    }

    /// A client connection.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen)
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Response {
        let mut client = self.client();
        client.send(request);
        client.response()
    }

    /// An admin page.
    pub(crate) fn admin(&self, path: &str) -> Response {
        let mut client = Client::connect(self.admin);
        client.send(format!("GET {path} HTTP/1.1\r\nhost: admin\r\n\r\n"));
        client.response()
    }

    /// `/api/regions`.
    pub(crate) fn table(&self) -> serde_json::Value {
        serde_json::from_slice(&self.admin("/api/regions").body).unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            assert!(std::thread::panicking(), "the proxy panicked");
        }
    }
}

/// Simulated regions on a runtime of their own; end when dropped.
pub(crate) struct Regions {
    pub(crate) control: Control,
    /// Name, URL, key.
    pub(crate) list: Vec<(String, String, String)>,
    cancel: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Regions {
    /// One region each, with this time to the first token, in milliseconds.
    pub(crate) fn start(regions: &[(&str, f64)]) -> Self {
        Self::start_with(regions, None)
    }

    /// The same behind TLS.
    pub(crate) fn start_with(regions: &[(&str, f64)], tls: Option<SimTls>) -> Self {
        let worlds = regions.iter().map(|(name, base_ms)| {
            RegionWorld::new(name, "sim-key").with_deployments(&["gpt-4o"]).with_base_ms(*base_ms)
        });
        let world = World { regions: worlds.collect(), ..World::default() };
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let mut listeners = Vec::new();
                for _ in &world.regions {
                    listeners.push(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
                }
                let sim = Sim::start(world, listeners, tls, stop.clone()).unwrap();
                let regions = sim.regions().iter();
                let list: Vec<_> = regions
                    .map(|region| (region.name.clone(), region.url.clone(), region.key.clone()))
                    .collect();
                tell.send((sim.control(), list)).unwrap();
                stop.cancelled().await;
            });
        });
        let (control, list) = told.recv().unwrap();
        Self { control, list, cancel, thread: Some(thread) }
    }

    /// As regions of a configuration.
    pub(crate) fn configured(&self) -> Vec<String> {
        self.configured_with("")
    }

    /// The same with further lines.
    pub(crate) fn configured_with(&self, more: &str) -> Vec<String> {
        let regions = self.list.iter();
        regions
            .map(|(name, url, key)| region(name, url, &format!(", api_key: {key}{more}")))
            .collect()
    }

    /// As regions of a configuration that are asked in this order, however fast they are.
    pub(crate) fn in_order(&self) -> Vec<String> {
        let regions = self.list.iter().enumerate();
        let line = |(tier, (name, url, key)): (usize, &(String, String, String))| {
            region(name, url, &format!(", api_key: {key}, tier: {tier}"))
        };
        regions.map(line).collect()
    }

    /// What a region has seen.
    pub(crate) fn stats(&self, name: &str) -> Stats {
        self.control.stats(name).unwrap()
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        self.cancel.cancel();
        let _ = self.thread.take().unwrap().join();
    }
}

/// The files that a test has written.
struct Disk;

impl nearway_config::Secrets for Disk {
    fn read(&self, path: &Path) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }
}
