//! Workers that read and write the same few places at once.

use std::thread;
use std::time::Duration;

use nearway_affinity::{Minute, Owners, Store as _};
use nearway_route::RegionId;

use crate::{ROW, id};

const IDS: usize = 40;
const TURNS: usize = 60_000;

/// Each id has two owners that no other one has.
fn own(number: usize, turn: usize) -> RegionId {
    RegionId((number * 2 + turn % 2).try_into().unwrap())
}

/// Reads and writes, and tells how often it found an owner.
fn work(owners: &Owners, worker: usize) -> usize {
    let mut found = 0;
    for turn in 0..TURNS {
        let number = (turn * (2 * worker + 1) + turn / 7) % IDS;
        let now = Minute((turn / 1000).try_into().unwrap());
        if turn % 64 == 9 {
            owners.forget(id(number));
        } else if (turn + worker) % 8 < 4 {
            owners.learn(id(number), own(number, turn), now);
        } else if let Some(owner) = owners.owner(id(number), now) {
            assert!([own(number, 0), own(number, 1)].contains(&owner), "{number}: {owner:?}");
            found += 1;
        }
    }
    found
}

#[test]
fn nobody_sees_an_owner_that_was_never_learned_for_the_id() {
    let owners = Owners::new(ROW, Duration::from_secs(3600));
    let found: usize = thread::scope(|scope| {
        let owners = &owners;
        let workers: Vec<_> =
            (0..4).map(|worker| scope.spawn(move || work(owners, worker))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(found > TURNS / 10, "{found}");
    assert!(owners.len() <= ROW);
    (0..IDS).for_each(|number| owners.forget(id(number)));
    for number in 0..IDS {
        owners.learn(id(number), own(number, 0), Minute(60));
    }
    assert_eq!(owners.len(), ROW, "the count is exact");
}
