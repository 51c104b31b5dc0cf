//! The store from outside: against a naive one, and under many workers.
#![cfg(test)]

mod against_a_list;
mod at_once;

use nearway_wire::id::IdDigest;

/// Places of one row: then all ids meet there.
const ROW: usize = 16;

fn id(number: usize) -> IdDigest {
    IdDigest::of(&number.to_be_bytes())
}
