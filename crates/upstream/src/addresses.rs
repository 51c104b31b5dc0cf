//! The addresses behind a region's name, as one worker knows them.
//!
//! They are looked up when a connection is opened and kept for [`KEEP`]: `getaddrinfo` tells no time
//! to live, so this is a fixed one, short enough for names that move and long enough that a burst of
//! connections asks once. They are looked up earlier when none of them could be connected to.
//!
//! A lookup runs in a task of its own: it goes on when the request that began it has run out of
//! time, others join it, and so there is never more than one. It ends with the pool, so that a
//! process which stops does not wait for it. A resolver that fails or dawdles costs
//! nothing as long as there are addresses from before.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::unopened::Unopened;

/// One region's addresses; every connection of its pool asks here.
pub(crate) struct Addresses {
    host: String,
    port: u16,
    tasks: TaskTracker,
    kept: RefCell<Kept>,
    // wakes all who wait for the lookup under way
    looked: Notify,
}

/// Addresses, and where they come from.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// In the resolver's order; never empty.
    pub(crate) addresses: Rc<[SocketAddr]>,
    /// From an earlier lookup: a new one may find others.
    pub(crate) is_kept: bool,
}

#[derive(Debug, Default)]
struct Kept {
    addresses: Option<Rc<[SocketAddr]>>,
    // good until then without a question; `None`: ask again
    until: Option<Instant>,
    // a lookup is under way since then; nobody but these addresses needs its end
    looking: Option<(Instant, AbortOnDropHandle<()>)>,
    // what the last lookup ended with, if it failed
    failure: Option<Unopened>,
}

impl Addresses {
    /// Nothing is looked up yet; lookups run in `tasks`.
    pub(crate) fn new(host: String, port: u16, tasks: TaskTracker) -> Rc<Self> {
        Rc::new(Self { host, port, tasks, kept: RefCell::default(), looked: Notify::new() })
    }

    /// The addresses, by `look_up` if they are not known or too old. How long this may take when
    /// nothing is known is the caller's business.
    ///
    /// # Errors
    /// What the resolver says, if no earlier lookup found anything.
    pub(crate) async fn get<F>(
        self: &Rc<Self>,
        look_up: impl FnOnce(String, u16) -> F,
    ) -> Result<Known, Unopened>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + 'static,
    {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            let addresses = Rc::new([SocketAddr::new(ip, self.port)]);
            return Ok(Known { addresses, is_kept: false });
        }
        let now = Instant::now();
        if let Some(addresses) = self.kept.borrow().fresh(now) {
            return Ok(Known { addresses, is_kept: true });
        }
        let mut looked = std::pin::pin!(self.looked.notified());
        looked.as_mut().enable();
        let since = self.look(look_up, now);
        let old = self.kept.borrow().addresses.clone();
        if let Some(addresses) = old {
            if timeout_at(since + STALE_PATIENCE, looked).await.is_err() {
                return Ok(Known { addresses, is_kept: true });
            }
        } else {
            looked.await;
        }
        let kept = self.kept.borrow();
        match (&kept.addresses, &kept.failure) {
            (Some(addresses), failure) => {
                Ok(Known { addresses: addresses.clone(), is_kept: failure.is_some() })
            }
            (None, failure) => Err(failure.clone().unwrap_or_default()),
        }
    }

    /// None of them could be connected to: the next [`Self::get`] looks them up.
    pub(crate) fn distrust(&self) {
        self.kept.borrow_mut().until = None;
    }

    /// Begins a lookup, unless one is under way; tells since when it is.
    fn look<F>(self: &Rc<Self>, look_up: impl FnOnce(String, u16) -> F, now: Instant) -> Instant
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + 'static,
    {
        let mut kept = self.kept.borrow_mut();
        if let Some((since, _)) = &kept.looking {
            return *since;
        }
        let (this, looking) = (Rc::downgrade(self), look_up(self.host.clone(), self.port));
        let task = self.tasks.spawn_local(async move {
            let found = looking.await;
            if let Some(this) = this.upgrade() {
                this.kept.borrow_mut().found(found, &this.host, Instant::now());
                this.looked.notify_waiters();
            }
        });
        kept.looking = Some((now, AbortOnDropHandle::new(task)));
        now
    }
}

impl Kept {
    fn fresh(&self, now: Instant) -> Option<Rc<[SocketAddr]>> {
        self.until.filter(|until| now < *until).and_then(|_| self.addresses.clone())
    }

    /// A lookup has ended.
    fn found(&mut self, found: io::Result<Vec<SocketAddr>>, host: &str, now: Instant) {
        self.looking = None;
        let failure = match found {
            Ok(addresses) if !addresses.is_empty() => {
                self.addresses = Some(addresses.into());
                None
            }
            Ok(_) => Some(Unopened::because(format!("{host}: no address"))),
            Err(error) => Some(Unopened::new(host, &error)),
        };
        self.until = Some(now + if failure.is_some() { RETRY } else { KEEP });
        self.failure = failure;
    }
}

/// For how long addresses are used without a further question.
const KEEP: Duration = Duration::from_secs(30);
/// After a failed lookup, those from before are used for so long without a further question.
const RETRY: Duration = Duration::from_secs(5);
/// A resolver that takes longer is not waited for when there are addresses from before.
const STALE_PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::LocalSet;
    use tokio::time::{advance, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A resolver that counts its lookups.
    #[derive(Default)]
    struct Fake {
        asked: Cell<u32>,
        takes: Cell<Duration>,
        // last octet; 0: it fails
        says: Cell<u8>,
    }

    impl Fake {
        fn says(last: u8) -> Self {
            Self { says: Cell::new(last), ..Self::default() }
        }

        async fn get(&self, addresses: &Rc<Addresses>) -> Result<(u8, bool), Unopened> {
            let known = addresses.get(|host, port| {
                assert_eq!((host.as_str(), port), ("region.test", 443));
                self.asked.set(self.asked.get() + 1);
                let (takes, last) = (self.takes.get(), self.says.get());
                async move {
                    sleep(takes).await;
                    let found = vec![SocketAddr::from(([10, 0, 0, last], port))];
                    (last > 0).then_some(found).ok_or_else(|| io::Error::other("no answer"))
                }
            });
            let known = known.await?;
            let [SocketAddr::V4(address)] = &*known.addresses else { panic!("{known:?}") };
            Ok((address.ip().octets()[3], known.is_kept))
        }
    }

    fn addresses() -> Rc<Addresses> {
        Addresses::new("region.test".into(), 443, TaskTracker::new())
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_asked_for_once_in_a_while_and_when_they_fail() {
        let (addresses, fake) = (addresses(), Fake::says(1));
        let test = async {
            assert_eq!(fake.get(&addresses).await, Ok((1, false)));
            fake.says.set(2);
            advance(KEEP - SECOND).await;
            assert_eq!(fake.get(&addresses).await, Ok((1, true)));
            advance(SECOND).await;
            assert_eq!(fake.get(&addresses).await, Ok((2, false)));
            fake.says.set(3);
            addresses.distrust();
            assert_eq!(fake.get(&addresses).await, Ok((3, false)));
            assert_eq!(fake.asked.get(), 3);
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_resolver_leaves_those_from_before() {
        let (addresses, fake) = (addresses(), Fake::says(0));
        let test = async {
            let none = Err(Unopened::because("region.test: no answer".to_owned()));
            assert_eq!(fake.get(&addresses).await, none);
            assert_eq!(fake.get(&addresses).await, none);
            fake.says.set(1);
            assert_eq!(fake.get(&addresses).await, Ok((1, false)));
            fake.says.set(0);
            advance(KEEP).await;
            for _ in 0..3 {
                assert_eq!(fake.get(&addresses).await, Ok((1, true)));
            }
            assert_eq!(fake.asked.get(), 4);
            advance(RETRY).await;
            assert_eq!(fake.get(&addresses).await, Ok((1, true)));
            assert_eq!(fake.asked.get(), 5);
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_lookup_serves_all_who_wait_even_when_the_first_of_them_leaves() {
        let (addresses, fake) = (addresses(), Fake::says(1));
        fake.takes.set(3 * SECOND);
        let test = async {
            let first = tokio::time::timeout(SECOND, fake.get(&addresses)).await;
            assert!(first.is_err());
            let others = tokio::join!(fake.get(&addresses), fake.get(&addresses));
            assert_eq!(others, (Ok((1, false)), Ok((1, false))));
            assert_eq!(fake.asked.get(), 1);
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_ends_with_those_whom_it_is_for() {
        let tasks = TaskTracker::new();
        let (addresses, fake) =
            (Addresses::new("region.test".into(), 443, tasks.clone()), Fake::says(1));
        fake.takes.set(3600 * SECOND);
        let test = async {
            assert!(tokio::time::timeout(SECOND, fake.get(&addresses)).await.is_err());
            assert_eq!(tasks.len(), 1);
            drop(addresses);
            tasks.close();
            assert!(tokio::time::timeout(SECOND, tasks.wait()).await.is_ok());
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_dawdles_is_waited_for_once_and_a_moment_only() {
        let (addresses, fake) = (addresses(), Fake::says(1));
        let test = async {
            assert_eq!(fake.get(&addresses).await, Ok((1, false)));
            advance(KEEP).await;
            fake.takes.set(20 * SECOND);
            fake.says.set(2);
            let began = Instant::now();
            for _ in 0..3 {
                assert_eq!(fake.get(&addresses).await, Ok((1, true)));
            }
            assert_eq!(Instant::now() - began, STALE_PATIENCE);
            sleep(20 * SECOND).await;
            assert_eq!(fake.get(&addresses).await, Ok((2, true)));
            assert_eq!(fake.asked.get(), 2);
        };
        LocalSet::new().run_until(test).await;
    }
}
