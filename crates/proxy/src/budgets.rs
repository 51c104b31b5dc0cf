//! What a worker may spend on further attempts: retries and hedges, each a share of its requests.

use std::cell::RefCell;
use std::time::Duration;

use nearway_route::{Moment, RetryBudget, RetryBudgetSettings};

use crate::Settings;

/// One worker's; requests share it.
#[derive(Debug)]
pub(crate) struct Budgets {
    retries: RefCell<RetryBudget>,
    hedges: RefCell<RetryBudget>,
}

impl Budgets {
    pub(crate) fn new(settings: &Settings) -> Self {
        let [retries, hedges] = of(settings).map(|budget| RefCell::new(RetryBudget::new(budget)));
        Self { retries, hedges }
    }

    /// Other settings are in force.
    pub(crate) fn reconfigure(&self, settings: &Settings) {
        let [retries, hedges] = of(settings);
        self.retries.borrow_mut().reconfigure(retries);
        self.hedges.borrow_mut().reconfigure(hedges);
    }

    /// A request came.
    pub(crate) fn deposit(&self, now: Moment) {
        self.retries.borrow_mut().deposit(now);
        self.hedges.borrow_mut().deposit(now);
    }

    /// Whether a request may go to a further region; if so, it counts as gone.
    pub(crate) fn allows_retry(&self, now: Moment) -> bool {
        self.retries.borrow_mut().withdraw(now)
    }

    /// The same beside an attempt that is still under way.
    pub(crate) fn allows_hedge(&self, now: Moment) -> bool {
        self.hedges.borrow_mut().withdraw(now)
    }
}

fn of(settings: &Settings) -> [RetryBudgetSettings; 2] {
    let share = |share, reserve_per_second| RetryBudgetSettings {
        share,
        reserve_per_second,
        window: WINDOW,
    };
    let hedges = match settings.hedge_share {
        Some(hedges) => share(hedges, HEDGE_RESERVE),
        None => share(0.0, 0),
    };
    [share(settings.retry_share, RETRY_RESERVE), hedges]
}

/// How far back requests and what was spent on them count.
const WINDOW: Duration = Duration::from_secs(10);
/// Retries a second that a worker may always make: a region that dies takes what is in flight with it.
const RETRY_RESERVE: u32 = 20;
/// The same of hedges, for a worker with little to do.
const HEDGE_RESERVE: u32 = 1;
