//! What is kept of request bodies for another attempt, and the count of it over the whole process.
//!
//! Nothing waits for the budget and no request fails for it: a body that finds no room is sent once
//! and not kept. Only what must be read before a region can be chosen needs room of its own
//! ([`crate::read_ahead`]). Every byte counted is given back by a guard, so also when a request is
//! cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use nearway_telemetry::{NotKept, ReplayMetrics};

use crate::read_ahead::{Ahead, Room};

/// The bytes kept now by all workers together, and those read ahead. A clone counts into the same
/// numbers; it outlives any settings, while the limits come with each request.
#[derive(Clone, Debug, Default)]
pub struct ReplayBudget(Arc<Budget>);

#[derive(Debug, Default)]
struct Budget {
    kept: Count,
    room: Room,
}

/// Bytes, counted by all workers.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

/// One worker's side of the budget; requests hold it by a reference count of the worker's own.
#[derive(Debug)]
pub struct Replay {
    budget: ReplayBudget,
    metrics: ReplayMetrics,
}

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct ReplayLimits {
    /// Of one body.
    pub body: usize,
    /// Of all bodies together.
    pub total: usize,
}

/// Bytes that one body takes of the budget, given back on drop.
#[derive(Debug)]
pub struct Reserved {
    replay: Arc<Replay>,
    limits: ReplayLimits,
    bytes: usize,
}

/// The pieces of a body that streams, from its first byte on, and their share of the budget.
#[derive(Debug)]
pub struct Kept {
    reserved: Reserved,
    // for what was read ahead and is not kept
    ahead: Option<Ahead>,
    chunks: Vec<Bytes>,
    // small pieces together: each by itself would hold on to the buffer that it was read into
    tail: BytesMut,
    whole: bool,
}

impl ReplayBudget {
    /// The bytes kept now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.kept.now()
    }
}

impl Count {
    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self, bytes: usize, total: usize) -> bool {
        let fits = |now: usize| now.checked_add(bytes).filter(|sum| *sum <= total);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Replay {
    /// Counts into `budget`.
    #[must_use]
    pub fn new(budget: ReplayBudget, metrics: ReplayMetrics) -> Self {
        Self { budget, metrics }
    }

    /// Shows the numbers of the whole process. On a timer: a gauge that follows each piece of each
    /// body would cost as much as the count itself.
    pub fn show(&self) {
        self.metrics.held(self.budget.held());
        self.metrics.ahead(self.room().taken());
    }

    /// Room for a body that is here already; `None`, and counted, where there is none.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, bytes: usize, limits: ReplayLimits) -> Option<Reserved> {
        let mut reserved = self.nothing(limits);
        let room = reserved.grow(bytes);
        room.inspect_err(|why| self.metrics.not_kept(*why)).ok().map(|()| reserved)
    }

    /// For a body that streams, before its first byte.
    #[must_use]
    pub fn keep(self: &Arc<Self>, limits: ReplayLimits) -> Kept {
        let reserved = self.nothing(limits);
        Kept { reserved, ahead: None, chunks: Vec::new(), tail: BytesMut::new(), whole: true }
    }

    /// Room for so much of a body that must be read before a region can be chosen, of `total` for all
    /// bodies. Waits for it behind those that came earlier; `bytes` is at most `total`.
    pub async fn ahead(self: &Arc<Self>, bytes: usize, total: usize) -> Ahead {
        if !self.room().try_take(bytes, total) {
            self.metrics.waits();
            self.room().take(bytes, total).await;
        }
        Ahead::new(self.clone(), bytes)
    }

    pub(crate) fn room(&self) -> &Room {
        &self.budget.0.room
    }

    fn nothing(self: &Arc<Self>, limits: ReplayLimits) -> Reserved {
        Reserved { replay: self.clone(), limits, bytes: 0 }
    }
}

impl Reserved {
    fn grow(&mut self, more: usize) -> Result<(), NotKept> {
        let bytes = self.bytes.saturating_add(more);
        if bytes > self.limits.body {
            return Err(NotKept::RequestLimit);
        }
        if !self.replay.budget.0.kept.take(more, self.limits.total) {
            return Err(NotKept::TotalBudget);
        }
        self.bytes = bytes;
        Ok(())
    }

    fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.replay.budget.0.kept.give_back(less);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

impl Kept {
    /// Whether every byte so far is here, and here to stay.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// How many bytes are here.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum::<usize>() + self.tail.len()
    }

    /// Keeps a piece that was passed on; where there is no room for it, lets go of all.
    pub fn passed(&mut self, piece: &Bytes) {
        if self.whole {
            match self.reserved.grow(piece.len()) {
                Ok(()) => self.push(piece),
                Err(why) => {
                    self.reserved.replay.metrics.not_kept(why);
                    self.let_go();
                }
            }
        }
    }

    /// Whether more may be read ahead than the little that any body may.
    #[must_use]
    pub fn has_room_ahead(&self) -> bool {
        self.ahead.is_some()
    }

    /// From here on as much may be read ahead.
    pub fn room_ahead(&mut self, ahead: Ahead) {
        self.ahead = Some(ahead);
    }

    /// Holds a piece that could not be passed on yet. If the budget has no room for it all of it goes
    /// out once, and counts as read ahead instead.
    pub fn read_ahead(&mut self, piece: &Bytes) {
        if self.whole
            && let Err(why) = self.reserved.grow(piece.len())
        {
            self.reserved.replay.metrics.not_kept(why);
            self.whole = false;
            self.reserved.shrink(self.reserved.bytes);
        }
        self.push(piece);
    }

    /// Nothing more is read ahead. Only what goes out once still needs that room, until it
    /// has gone.
    pub fn read_enough(&mut self) {
        let bytes = if self.whole { 0 } else { self.bytes() };
        if let Some(ahead) = &mut self.ahead {
            ahead.shrink_to(bytes);
        }
    }

    /// Nobody will ask for it any more, or it is no longer complete.
    pub fn let_go(&mut self) {
        self.whole = false;
        self.ahead = None;
        self.chunks = Vec::new();
        self.tail = BytesMut::new();
        self.reserved.shrink(self.reserved.bytes);
    }

    /// What is kept, in one piece.
    pub(crate) fn concat(&self) -> Vec<u8> {
        let mut all = self.chunks.concat();
        all.extend_from_slice(&self.tail);
        all
    }

    /// The pieces for one attempt. What can't go out again is not kept beside what is sent.
    pub(crate) fn lend(&mut self) -> Vec<Bytes> {
        self.seal();
        if self.whole { self.chunks.clone() } else { std::mem::take(&mut self.chunks) }
    }

    /// So many bytes of those that were lent have left, `all` of them if so.
    pub(crate) fn went(&mut self, bytes: usize, all: bool) {
        match &mut self.ahead {
            Some(ahead) if !all => ahead.shrink(bytes),
            _ => self.ahead = None,
        }
    }

    fn push(&mut self, piece: &Bytes) {
        if piece.len() >= COPIED_BELOW {
            self.seal();
            self.chunks.push(piece.clone());
            return;
        }
        let mut piece = &**piece;
        while !piece.is_empty() {
            if self.tail.capacity() == self.tail.len() {
                self.seal();
                self.tail.reserve(BLOCK);
            }
            let room = self.tail.capacity() - self.tail.len();
            let (fits, rest) = piece.split_at(room.min(piece.len()));
            self.tail.extend_from_slice(fits);
            piece = rest;
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(std::mem::take(&mut self.tail).freeze());
        }
    }
}

/// A piece below this is copied: it may be one byte in a buffer of 64 KiB, which it would keep alive.
const COPIED_BELOW: usize = 32 * 1024;
/// Small pieces are gathered in blocks of this size.
const BLOCK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use nearway_telemetry::{Build, Metrics};
    use proptest::prelude::*;

    const LIMITS: ReplayLimits = ReplayLimits { body: 1000, total: 2500 };

    fn metrics() -> Metrics {
        Metrics::new(Build { version: "0", commit: None }).unwrap()
    }

    fn replay(budget: &ReplayBudget) -> Arc<Replay> {
        Arc::new(Replay::new(budget.clone(), metrics().replay()))
    }

    fn piece(length: usize) -> Bytes {
        static PATTERN: &[u8; 70_000] = &{
            let mut pattern = [0; 70_000];
            let mut at = 0;
            while at < pattern.len() {
                pattern[at] = at.to_le_bytes()[0];
                at += 1;
            }
            pattern
        };
        Bytes::from_static(&PATTERN[..length])
    }

    #[test]
    fn the_budget_is_one_for_all_workers_and_comes_back_whole() {
        let budget = ReplayBudget::default();
        let (one, other) = (replay(&budget), replay(&budget));
        let first = one.reserve(1000, LIMITS).unwrap();
        let second = other.reserve(1000, LIMITS).unwrap();
        assert!(one.reserve(501, LIMITS).is_none());
        assert!(one.reserve(500, LIMITS).is_some(), "and given back at once");
        drop(first);
        assert!(other.reserve(1000, LIMITS).is_some());
        drop(second);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn a_limit_that_shrinks_under_what_is_kept_only_ends_the_keeping() {
        let budget = ReplayBudget::default();
        let replay = replay(&budget);
        let kept = replay.reserve(1000, LIMITS).unwrap();
        assert!(replay.reserve(1, ReplayLimits { total: 500, ..LIMITS }).is_none());
        drop(kept);
        assert!(replay.reserve(1, ReplayLimits { total: 500, ..LIMITS }).is_some());
    }

    #[test]
    fn each_body_not_kept_is_counted_once_by_its_reason() {
        let (budget, metrics) = (ReplayBudget::default(), metrics());
        let replay = Arc::new(Replay::new(budget.clone(), metrics.replay()));
        let mut long = replay.keep(LIMITS);
        (0..9).for_each(|_| long.passed(&piece(400)));
        let _full = [replay.reserve(1000, LIMITS), replay.reserve(1000, LIMITS)];
        let mut late = replay.keep(LIMITS);
        (0..9).for_each(|_| late.read_ahead(&piece(400)));
        assert!(!long.is_whole() && !late.is_whole());
        assert_eq!((long.bytes(), late.bytes()), (0, 3600));
        replay.show();
        let text = metrics.render();
        for line in [
            "nearway_bodies_not_kept_total{reason=\"request_limit\"} 1\n",
            "nearway_bodies_not_kept_total{reason=\"total_budget\"} 1\n",
            "nearway_replay_bytes 2000\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[tokio::test]
    async fn what_was_read_ahead_without_room_is_lent_once_and_counts_until_it_went() {
        let budget = ReplayBudget::default();
        let replay = replay(&budget);
        let mut kept = replay.keep(ReplayLimits { body: 1000, total: 100 });
        kept.room_ahead(replay.ahead(500, 500).await);
        kept.read_ahead(&piece(90));
        assert_eq!((budget.held(), replay.room().taken()), (90, 500));
        kept.read_ahead(&piece(90));
        kept.read_enough();
        assert_eq!((budget.held(), replay.room().taken()), (0, 180));
        assert_eq!(kept.lend().concat(), [piece(90), piece(90)].concat());
        assert_eq!((replay.room().taken(), kept.lend().len()), (180, 0));
        kept.went(100, false);
        assert_eq!(replay.room().taken(), 80);
        kept.went(1, true);
        assert_eq!(replay.room().taken(), 0);
    }

    #[tokio::test]
    async fn what_was_read_ahead_and_is_kept_needs_no_room_of_its_own() {
        let budget = ReplayBudget::default();
        let replay = replay(&budget);
        let mut kept = replay.keep(LIMITS);
        kept.room_ahead(replay.ahead(500, 500).await);
        kept.read_ahead(&piece(90));
        kept.read_enough();
        assert_eq!((budget.held(), replay.room().taken(), kept.is_whole()), (90, 0, true));
    }

    #[tokio::test]
    async fn room_ahead_and_waits_for_it_are_shown() {
        let metrics = metrics();
        let replay = Arc::new(Replay::new(ReplayBudget::default(), metrics.replay()));
        let room = replay.ahead(500, 600).await;
        replay.show();
        tokio::select! {
            biased;
            _ = replay.ahead(101, 600) => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(room);
        drop(replay.ahead(600, 600).await);
        let text = metrics.render();
        for line in ["nearway_read_ahead_bytes 500\n", "nearway_read_ahead_waits_total 1\n"] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_piece_does_not_hold_on_to_the_buffer_it_came_in() {
        let budget = ReplayBudget::default();
        let mut kept = replay(&budget).keep(ReplayLimits { body: 1 << 20, total: 1 << 20 });
        for _ in 0..200_000 {
            kept.passed(&piece(1));
        }
        assert_eq!(kept.lend().len(), 200_000_usize.div_ceil(BLOCK));
    }

    #[test]
    fn threads_that_take_and_give_back_never_exceed_the_total() {
        let budget = ReplayBudget::default();
        let take_and_give_back = || {
            let replay = replay(&budget);
            for size in (0..20_000).map(|turn| turn % 1000) {
                let _kept = replay.reserve(size, LIMITS);
                assert!(budget.held() <= LIMITS.total);
            }
        };
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(take_and_give_back)));
        });
        assert_eq!(budget.held(), 0);
    }

    #[derive(Clone, Debug)]
    enum Act {
        Open,
        Passed(usize, usize),
        ReadAhead(usize, usize),
        LetGo(usize),
        Close(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        let sizes = prop_oneof![0..5000_usize, 30_000..70_000_usize];
        prop_oneof![
            Just(Act::Open),
            (any::<usize>(), sizes.clone()).prop_map(|(body, size)| Act::Passed(body, size)),
            (any::<usize>(), sizes).prop_map(|(body, size)| Act::ReadAhead(body, size)),
            any::<usize>().prop_map(Act::LetGo),
            any::<usize>().prop_map(Act::Close),
        ]
    }

    proptest! {
        /// The budget is the sum of what the bodies count, a whole body gives back what it was
        /// given, and none takes more than the limits leave.
        #[test]
        fn the_count_is_the_sum_and_a_whole_body_is_what_went_in(
            acts in proptest::collection::vec(act(), 0..80),
            body in 0..200_000_usize,
            total in 0..400_000_usize,
        ) {
            let budget = ReplayBudget::default();
            let replay = replay(&budget);
            let limits = ReplayLimits { body, total };
            let mut bodies: Vec<(Kept, Vec<u8>)> = Vec::new();
            for act in acts {
                let before = budget.held();
                let count = bodies.len().max(1);
                match act {
                    Act::Open => bodies.push((replay.keep(limits), Vec::new())),
                    Act::Close(at) => drop((at % count < bodies.len()).then(|| bodies.remove(at % count))),
                    Act::Passed(at, size) => if let Some((kept, sent)) = bodies.get_mut(at % count) {
                        sent.extend(piece(size));
                        kept.passed(&piece(size));
                        prop_assert!(budget.held() <= before.max(total));
                        prop_assert!(!kept.is_whole() || kept.bytes() <= body);
                    },
                    Act::ReadAhead(at, size) => if let Some((kept, sent)) = bodies.get_mut(at % count) {
                        sent.extend(piece(size));
                        kept.read_ahead(&piece(size));
                        prop_assert!(budget.held() <= before.max(total));
                    },
                    Act::LetGo(at) => if let Some((kept, _)) = bodies.get_mut(at % count) {
                        kept.let_go();
                    },
                }
                prop_assert_eq!(budget.held(), bodies.iter().map(|(kept, _)| kept.reserved.bytes).sum::<usize>());
                for (kept, sent) in &mut bodies {
                    if kept.is_whole() {
                        prop_assert_eq!(&kept.lend().concat(), sent);
                    }
                }
            }
            drop(bodies);
            prop_assert_eq!(budget.held(), 0);
        }
    }
}
