//! A row of each class of fault, shorter; `make faults` runs the whole of the matrix.

use std::time::Duration;

use crate::faults::{FAULTS, Pace};

#[test]
fn clients_notice_nothing_of_a_region_that_takes_no_connections() {
    holds("killed process", MOMENT);
}

#[test]
fn clients_notice_nothing_of_a_certificate_that_has_expired() {
    holds("certificate expired", MOMENT);
}

#[test]
fn clients_notice_nothing_of_a_name_that_does_not_exist() {
    holds("no such name", MOMENT);
}

#[test]
fn clients_notice_nothing_of_a_server_error() {
    holds("500", MOMENT);
}

#[test]
fn clients_notice_nothing_of_a_throttled_region() {
    holds("429 retry-after-ms", MOMENT);
}

#[test]
fn clients_see_that_a_stream_breaks_off() {
    holds("reset mid-stream", MOMENT);
}

#[test]
fn clients_notice_nothing_of_a_region_that_is_silent() {
    // a silence is told by its length
    holds("black hole", Pace { during: ms(2_500), ..MOMENT });
}

#[test]
fn clients_notice_little_of_a_region_that_becomes_slow() {
    holds("brown-out, 100 ms to 3 s", Pace { during: ms(2_500), ..MOMENT });
}

#[test]
fn clients_notice_nothing_of_a_key_that_is_refused() {
    holds("wrong key", MOMENT);
}

#[test]
fn clients_notice_nothing_of_a_deployment_that_is_not_there() {
    holds("missing deployment", MOMENT);
}

fn holds(name: &str, pace: Pace) {
    let fault = FAULTS.iter().find(|fault| fault.name == name).unwrap();
    let row = fault.measure(pace);
    println!("{row}");
    let misses = row.misses();
    assert!(misses.is_empty(), "{misses:?}\n{row}");
}

/// How soon requests are right again is a time: `make faults` holds it against its bar, where nothing
/// else runs beside.
const MOMENT: Pace =
    Pace { rate: 100, before: ms(300), during: ms(1_300), after: ms(200), within: None };

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
