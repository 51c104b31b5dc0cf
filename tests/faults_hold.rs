//! The rows of the fault matrix that hold, shorter; `make faults` runs the whole of it.

use std::time::Duration;

use crate::faults::{FAULTS, Pace};

#[test]
fn clients_notice_nothing_of_a_region_that_fails() {
    let ms = Duration::from_millis;
    let pace = Pace { rate: 100, before: ms(300), during: ms(1_300), after: ms(200) };
    let mut misses = Vec::new();
    for name in HOLD {
        let fault = FAULTS.iter().find(|fault| fault.name == *name).unwrap();
        let row = fault.measure(pace);
        misses.extend(row.misses().into_iter().map(|miss| format!("{miss}\n{row}")));
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}

const HOLD: &[&str] =
    &["killed process", "certificate expired", "500", "429 retry-after-ms", "wrong key"];
