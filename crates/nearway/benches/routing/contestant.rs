//! Who takes part.

/// One way to choose. Tables list them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contestant {
    /// Knows what a request costs on average in each region at each instant, and asks them itself.
    Oracle,
    Nearway(Strategy),
    PeakEwma,
    LeastConnections,
    HaProxy,
    Nginx,
    RoundRobin,
    /// This region, and another one only if it fails.
    Fixed(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strategy {
    Adaptive,
    Average,
}

impl Contestant {
    pub(crate) const MOVING: [Self; 8] = [
        Self::Oracle,
        Self::Nearway(Strategy::Adaptive),
        Self::Nearway(Strategy::Average),
        Self::PeakEwma,
        Self::LeastConnections,
        Self::HaProxy,
        Self::Nginx,
        Self::RoundRobin,
    ];

    /// In a world of so many regions.
    pub(crate) fn all(regions: usize) -> Vec<Self> {
        Self::MOVING.into_iter().chain((0..regions).map(Self::Fixed)).collect()
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Oracle => "oracle".into(),
            Self::Nearway(strategy) => format!("Nearway {}", strategy.as_str()),
            Self::PeakEwma => "two choices, peak EWMA".into(),
            Self::LeastConnections => "least connections".into(),
            Self::HaProxy => "HAProxy leastconn".into(),
            Self::Nginx => "nginx least_conn".into(),
            Self::RoundRobin => "round robin".into(),
            Self::Fixed(region) => format!("r{region} alone"),
        }
    }
}

impl Strategy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Average => "average",
        }
    }
}
