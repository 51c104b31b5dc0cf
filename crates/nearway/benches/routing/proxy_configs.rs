//! What each proxy is told, as the text of its configuration file.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use crate::{
    contestant::Strategy,
    world::{DEPLOYMENT, KEY},
};

/// A thirtieth of the defaults' times, as a probe interval is a second here.
pub(crate) fn nearway(regions: &[SocketAddr], strategy: Strategy) -> String {
    let (samples, max_tokens) = match strategy {
        Strategy::Adaptive => (1, 1),
        Strategy::Average => (3, 10),
    };
    let mut text = format!(
        "listen: {{address: 127.0.0.1:0}}
admin: {{address: 127.0.0.1:0}}
workers: 1
probe: {{deployments: [{DEPLOYMENT}], interval: 1s, timeout: 2s, samples: {samples}, max_tokens: {max_tokens}}}
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

/// One thread in the foreground.
pub(crate) fn haproxy(_: &Path, port: u16, regions: &[SocketAddr]) -> String {
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

/// One process in the foreground: a worker of its own would outlive a master that is killed.
pub(crate) fn nginx(folder: &Path, port: u16, regions: &[SocketAddr]) -> String {
    let folder = folder.display();
    let servers: String = regions.iter().map(|region| format!("server {region}; ")).collect();
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid;
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

#[cfg(test)]
mod tests {
    use super::*;

    struct NoFiles;

    impl nearway_config::Secrets for NoFiles {
        fn read(&self, _: &Path) -> Result<String, String> {
            Err("there are none".into())
        }
    }

    fn regions() -> [SocketAddr; 2] {
        [1, 2].map(|port| ([127, 0, 0, 1], port).into())
    }

    #[test]
    fn nearway_takes_both_of_its_own() {
        for (strategy, probes) in [(Strategy::Adaptive, (1, 1)), (Strategy::Average, (3, 10))] {
            let text = nearway(&regions(), strategy);
            let config = nearway_config::load(text.as_bytes(), &|_: &str| None, &NoFiles).unwrap();
            assert_eq!((config.probe.samples, config.probe.max_tokens), probes);
            assert_eq!(config.regions.len(), 2);
        }
    }

    #[test]
    fn each_region_is_a_server() {
        let folder = Path::new("folder");
        assert_eq!(haproxy(folder, 1, &regions()).matches("  server r").count(), 2);
        let text = nginx(folder, 1, &regions());
        assert!(text.contains("{ least_conn; server 127.0.0.1:1; server 127.0.0.1:2;  keepalive"));
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
