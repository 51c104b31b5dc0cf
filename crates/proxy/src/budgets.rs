//! What a worker may spend on further attempts: retries, hedges and rescues, each a share of its requests.

use std::cell::RefCell;
use std::time::Duration;

use nearway_route::{Moment, RetryBudget, RetryBudgetSettings};

use crate::Settings;

/// One worker's; requests share it.
#[derive(Debug)]
pub(crate) struct Budgets {
    retries: RefCell<RetryBudget>,
    hedges: RefCell<RetryBudget>,
    rescues: RefCell<RetryBudget>,
}

/// Why a second region is asked beside one that is still at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// It is slower than the slowest of late, and the operator wants to pay for that.
    Hedge,
    /// It is stuck.
    Rescue,
}

impl Budgets {
    pub(crate) fn new(settings: &Settings) -> Self {
        let [retries, hedges, rescues] =
            of(settings).map(|budget| RefCell::new(RetryBudget::new(budget)));
        Self { retries, hedges, rescues }
    }

    /// Other settings are in force.
    pub(crate) fn reconfigure(&self, settings: &Settings) {
        let [retries, hedges, rescues] = of(settings);
        self.retries.borrow_mut().reconfigure(retries);
        self.hedges.borrow_mut().reconfigure(hedges);
        self.rescues.borrow_mut().reconfigure(rescues);
    }

    /// A request came.
    pub(crate) fn deposit(&self, now: Moment) {
        self.retries.borrow_mut().deposit(now);
        self.hedges.borrow_mut().deposit(now);
        self.rescues.borrow_mut().deposit(now);
    }

    /// Whether a request may go to a further region; if so, it counts as gone.
    pub(crate) fn allows_retry(&self, now: Moment) -> bool {
        self.retries.borrow_mut().withdraw(now)
    }

    /// The same beside an attempt that is still under way.
    pub(crate) fn allows(&self, beside: Beside, now: Moment) -> bool {
        let budget = match beside {
            Beside::Hedge => &self.hedges,
            Beside::Rescue => &self.rescues,
        };
        budget.borrow_mut().withdraw(now)
    }
}

fn of(settings: &Settings) -> [RetryBudgetSettings; 3] {
    let share = |share, reserve_per_second| RetryBudgetSettings {
        share,
        reserve_per_second,
        window: WINDOW,
    };
    let hedges = match settings.hedge_share {
        Some(hedges) => share(hedges, HEDGE_RESERVE),
        None => share(0.0, 0),
    };
    let rescues = match settings.rescue {
        true => share(RESCUE_SHARE, RESCUE_RESERVE),
        false => share(0.0, 0),
    };
    [share(settings.retry_share, RETRY_RESERVE), hedges, rescues]
}

/// How far back requests and what was spent on them count.
const WINDOW: Duration = Duration::from_secs(10);
/// Retries a second that a worker may always make: a region that dies takes what is in flight with it.
const RETRY_RESERVE: u32 = 20;
/// The same of hedges, for a worker with little to do.
const HEDGE_RESERVE: u32 = 1;
/// Rescues for each request, and how many a second a worker may always make.
const RESCUE_SHARE: f64 = 0.03;
const RESCUE_RESERVE: u32 = 1;
