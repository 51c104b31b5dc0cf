//! `make faults`: every fault of the matrix at full length, as a table. Not part of `make test`, which
//! runs the rows that hold, shorter.

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod fault_load;
#[cfg(test)]
mod fault_row;
#[cfg(test)]
mod fault_scene;
#[cfg(test)]
mod faults;
#[cfg(test)]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod harness;
#[cfg(test)]
#[path = "../crates/proxy/tests/wire/raw.rs"]
#[expect(dead_code, reason = "the tests of the proxy use the rest of it")]
mod raw;

#[cfg(test)]
mod table {
    use std::time::Duration;

    use crate::faults::{FAULTS, Pace};

    #[test]
    fn every_fault_meets_its_bar() {
        let ms = Duration::from_millis;
        let (before, during, after) = (ms(700), ms(3_000), ms(1_300));
        let pace = Pace { rate: 200, before, during, after, within: Some(ms(1_000)) };
        println!("\n{HEADER}");
        let mut misses = Vec::new();
        for fault in FAULTS {
            let row = fault.measure(pace);
            println!("{row}");
            misses.extend(row.misses());
        }
        assert!(misses.is_empty(), "bars missed:\n{}", misses.join("\n"));
    }

    const HEADER: &str = "fault                     | requests |  met | errors | duplicates | right again | \
         broken streams | unsure uploads | excused | failed over | slowest | kinds of errors";
}
