//! A terminal that closes sends SIGHUP: it reloads what `serve` reads, and ends every other command.
#![cfg(test)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const SIGHUP: i32 = 1;

#[test]
fn what_follows_no_file_ends_with_its_terminal() {
    let mut sim = Command::new(env!("CARGO_BIN_EXE_nearway"))
        .arg("sim")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(sim.stdout.take().unwrap());
    printed.read_line(&mut String::new()).unwrap();

    let kill = format!("kill -HUP {}", sim.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let (ended, end) = channel();
    thread::spawn(move || {
        // until the process closes it
        let _ = printed.read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let in_time = end.recv_timeout(PATIENCE);
    let _ = sim.kill();
    assert!(in_time.is_ok(), "it goes on without a terminal");
    assert_eq!(sim.wait().unwrap().signal(), Some(SIGHUP));
}
