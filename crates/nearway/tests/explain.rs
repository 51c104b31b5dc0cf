//! `nearway explain` against a `nearway serve` of its own.
#![cfg(test)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A running proxy; ends when dropped.
struct Serve {
    process: Child,
    admin: String,
}

impl Serve {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nearway.yaml");
        std::fs::write(&file, config).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_nearway"))
            .args(["serve", "--config"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let admin = lines.map(|line| line.unwrap()).find_map(|line| {
            let line: Value = serde_json::from_str(&line).unwrap();
            Some(line["admin"].as_str()?.to_owned())
        });
        Self { process, admin: admin.expect("it serves") }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn explain(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nearway"));
    command.arg("explain").args(arguments).env_remove("NEARWAY_CONFIG").output().unwrap()
}

/// Its region takes connections and says nothing.
fn config(mute: &std::net::TcpListener) -> String {
    let region = mute.local_addr().unwrap();
    format!(
        "listen: {{address: '127.0.0.1:0'}}\nadmin: {{address: '127.0.0.1:0'}}\nworkers: 1\n\
         log: {{format: json}}\nregions: [{{name: only, url: 'http://{region}'}}]\n"
    )
}

#[test]
fn a_running_proxy_is_asked_and_what_it_says_is_printed() {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let serve = Serve::start(&config(&bound));
    let printed = explain(&["--admin", &serve.admin, "--deployment", "gpt-4o"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success() && text.starts_with("only is taken: "), "{text}");
    assert!(text.contains("asked: gpt-4o, /v1/chat/completions, 250 prompt tokens"), "{text}");

    let json = explain(&["--admin", &serve.admin, "--json", "--no-stream", "--prompt-tokens", "9"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["asked"]["class"], &json["chosen"]["region"]),
        (&"whole_short".into(), &"only".into())
    );
}

#[test]
fn what_cannot_be_asked_or_read_is_said_in_one_line() {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let serve = Serve::start(&config(&bound));
    let failed = |arguments: &[&str]| {
        let output = explain(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    let said = failed(&["--admin", &serve.admin, "--path", "nowhere"]);
    assert!(said.contains("refused: path: write it as a client sends it"), "{said}");

    let said = failed(&["--admin", &serve.admin, "--client", "web"]);
    assert!(said.contains("refused: client: the configuration names no clients"), "{said}");

    let gone = bound.local_addr().unwrap().to_string();
    drop(bound);
    let said = failed(&["--admin", &gone]);
    assert!(said.contains(&format!("cannot ask {gone} (start `nearway serve`")), "{said}");
    let said = failed(&["--config", "/nowhere/nearway.yaml"]);
    assert!(said.contains("--admin ADDRESS"), "{said}");
}
