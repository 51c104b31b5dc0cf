//! Room for bodies that must be read before a region can be chosen, since they name their deployment
//! behind the rest.
//!
//! It is one for the whole process. A body takes all that it may need at once, so that no two that are
//! half read wait for each other; where that does not fit it waits its turn in the order of arrival, of
//! all workers together. Nothing is read of it meanwhile, so waiting costs no memory.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use crate::Replay;
use crate::replay::Count;

/// The bytes that are taken, and those who wait for some.
#[derive(Debug)]
pub(crate) struct Room {
    taken: Count,
    // whoever has it is the next to take
    turn: Semaphore,
    freed: Notify,
}

/// Room that one body has, given back on drop.
#[derive(Debug)]
pub struct Ahead {
    replay: Arc<Replay>,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { taken: Count::default(), turn: Semaphore::new(1), freed: Notify::new() }
    }
}

impl Room {
    /// The bytes taken now.
    pub(crate) fn taken(&self) -> usize {
        self.taken.now()
    }

    /// Takes room at once if there is some and nobody waits.
    pub(crate) fn try_take(&self, bytes: usize, total: usize) -> bool {
        let turn = self.turn.try_acquire();
        turn.is_ok() && self.taken.take(bytes, total)
    }

    /// Takes room as soon as there is some, behind those that wait already. `bytes` is at most `total`.
    pub(crate) async fn take(&self, bytes: usize, total: usize) {
        // never closed, so this is the turn
        let _turn = self.turn.acquire().await;
        while !self.taken.take(bytes, total) {
            self.freed.notified().await;
        }
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.taken.give_back(bytes);
            // kept for the next one that finds no room, if nobody waits
            self.freed.notify_one();
        }
    }
}

impl Ahead {
    /// `bytes` were taken.
    pub(crate) fn new(replay: Arc<Replay>, bytes: usize) -> Self {
        Self { replay, bytes }
    }

    /// Gives back so much, at most all.
    pub(crate) fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.replay.room().give_back(less);
    }

    /// Gives back what is beyond so much.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        self.shrink(self.bytes.saturating_sub(bytes));
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use tokio::runtime::Builder;

    use super::*;

    const TOTAL: usize = 100;

    fn ready(waiting: Pin<&mut impl Future<Output = ()>>) -> bool {
        waiting.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn whoever_waits_gets_room_in_the_order_of_arrival() {
        let room = Room::default();
        assert!(room.try_take(60, TOTAL));
        let (mut large, mut small) = (pin!(room.take(80, TOTAL)), pin!(room.take(10, TOTAL)));
        assert!(!ready(large.as_mut()));
        assert!(!ready(small.as_mut()), "it would fit, and is not the next");
        assert!(!room.try_take(1, TOTAL), "nor is anybody who comes now");
        room.give_back(30);
        assert!(!ready(large.as_mut()), "not enough yet");
        room.give_back(30);
        assert!(!ready(small.as_mut()));
        assert!(ready(large.as_mut()) && ready(small.as_mut()));
        assert_eq!(room.taken(), 90);
    }

    #[test]
    fn one_that_leaves_while_it_waits_lets_the_next_one_have_its_turn() {
        let room = Room::default();
        assert!(room.try_take(TOTAL, TOTAL));
        let mut first = Box::pin(room.take(TOTAL, TOTAL));
        let mut second = pin!(room.take(TOTAL, TOTAL));
        assert!(!ready(first.as_mut()) && !ready(second.as_mut()));
        // rung for the first one, which does not live to hear it
        room.give_back(TOTAL);
        drop(first);
        assert!(ready(second.as_mut()));
    }

    #[test]
    fn room_given_back_while_nobody_waits_is_there_for_the_next() {
        let room = Room::default();
        assert!(room.try_take(TOTAL, TOTAL));
        room.give_back(TOTAL);
        assert!(ready(pin!(room.take(TOTAL, TOTAL))));
        assert!(!ready(pin!(room.take(1, TOTAL))));
    }

    #[test]
    fn threads_that_wait_for_room_all_get_it_and_never_exceed_the_total() {
        let room = Room::default();
        let work = async || {
            for bytes in (0..2_000).map(|turn| turn % TOTAL + 1) {
                if !room.try_take(bytes, TOTAL) {
                    room.take(bytes, TOTAL).await;
                }
                assert!(room.taken() <= TOTAL);
                tokio::task::yield_now().await;
                room.give_back(bytes);
            }
        };
        let thread = || Builder::new_current_thread().build().unwrap().block_on(work());
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(thread)));
        });
        assert_eq!(room.taken(), 0);
    }
}
