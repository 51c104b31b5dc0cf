//! One row does what a list does that is kept in the order of last use.

use std::time::Duration;

use nearway_affinity::{Learned, Minute, Owners, Store as _};
use nearway_route::RegionId;
use proptest::{collection::vec, prelude::*};

use crate::{ROW, id};

const TTL_MINUTES: u32 = 100;

/// What is done to an id, a minute after what was done before.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(usize),
    Learn(usize, RegionId),
    Forget(usize),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..24_usize;
    prop_oneof![
        4 => number().prop_map(Step::Ask),
        8 => (number(), 0..3_u32).prop_map(|(number, owner)| Step::Learn(number, RegionId(owner))),
        1 => number().prop_map(Step::Forget),
        1 => (0..120_u32).prop_map(Step::Wait),
    ]
}

/// Ids with their owners and last uses; the one used last comes last.
#[derive(Default)]
struct List(Vec<(usize, RegionId, u32)>);

impl List {
    fn take(&mut self, number: usize) -> Option<(RegionId, u32)> {
        let at = self.0.iter().position(|(known, ..)| *known == number)?;
        let (_, owner, last) = self.0.remove(at);
        Some((owner, last))
    }

    fn ask(&mut self, number: usize, now: u32) -> Option<RegionId> {
        let (_, owner, _) = *self
            .0
            .iter()
            .find(|(known, _, last)| *known == number && now - last <= TTL_MINUTES)?;
        self.take(number);
        self.0.push((number, owner, now));
        Some(owner)
    }

    fn learn(&mut self, number: usize, owner: RegionId, now: u32) -> Learned {
        let is_live = |last| now - last <= TTL_MINUTES;
        let learned = match self.take(number) {
            Some((former, last)) if is_live(last) && former == owner => Learned::Known,
            Some((_, last)) if is_live(last) => Learned::Moved,
            None if self.0.len() == ROW => Learned::New { evicted: is_live(self.0.remove(0).2) },
            _ => Learned::New { evicted: false },
        };
        self.0.push((number, owner, now));
        learned
    }
}

proptest! {
    #[test]
    fn they_agree_after_each_step(steps in vec(step(), 0..300)) {
        let owners = Owners::new(ROW, Duration::from_secs(60) * TTL_MINUTES);
        let mut list = List::default();
        let mut now = 1;
        for step in steps {
            now += 1;
            match step {
                Step::Ask(number) => {
                    prop_assert_eq!(owners.owner(id(number), Minute(now)), list.ask(number, now));
                }
                Step::Learn(number, owner) => {
                    let learned = owners.learn(id(number), owner, Minute(now));
                    prop_assert_eq!(learned, list.learn(number, owner, now));
                }
                Step::Forget(number) => {
                    owners.forget(id(number));
                    list.take(number);
                }
                Step::Wait(minutes) => now += minutes,
            }
            prop_assert_eq!(owners.len(), list.0.len());
        }
    }
}
