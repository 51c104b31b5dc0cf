//! Average, least and greatest of some durations, in whole nanoseconds.
//!
//! Integers, so that a sum is exact, never not-a-number, and independent of the order of its terms.

use std::time::Duration;

/// What some durations have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Arithmetic mean.
    pub average: Duration,
    /// The least of them.
    pub min: Duration,
    /// The greatest of them.
    pub max: Duration,
}

impl Spread {
    /// The spread of these durations; `None` if there are none.
    pub(crate) fn of(durations: impl Iterator<Item = Duration> + Clone) -> Option<Self> {
        Some(Self {
            average: mean(durations.clone())?,
            min: durations.clone().min()?,
            max: durations.max()?,
        })
    }

    /// One spread for several: the mean of the averages, each counting once.
    pub(crate) fn over(spreads: impl Iterator<Item = Self> + Clone) -> Option<Self> {
        Some(Self {
            average: mean(spreads.clone().map(|spread| spread.average))?,
            min: spreads.clone().map(|spread| spread.min).min()?,
            max: spreads.map(|spread| spread.max).max()?,
        })
    }
}

/// The arithmetic mean, saturating at 584 years; `None` if there is nothing to average.
pub(crate) fn mean(durations: impl Iterator<Item = Duration>) -> Option<Duration> {
    let (sum, count) = durations.fold((0_u128, 0_u128), |(sum, count), duration| {
        (sum.saturating_add(duration.as_nanos()), count.saturating_add(1))
    });
    let nanos = sum.checked_div(count)?;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: &[u64]) -> Option<Spread> {
        Spread::of(millis.iter().copied().map(Duration::from_millis))
    }

    #[test]
    fn a_spread_holds_mean_least_and_greatest() {
        let ms = Duration::from_millis;
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[30, 10, 20]), Some(Spread { average: ms(20), min: ms(10), max: ms(30) }));
    }

    #[test]
    fn several_spreads_count_once_each() {
        let ms = Duration::from_millis;
        let both = [of(&[10, 10, 10]), of(&[40])];
        let expected = Spread { average: ms(25), min: ms(10), max: ms(40) };
        assert_eq!(Spread::over(both.into_iter().flatten()), Some(expected));
    }

    #[test]
    fn absurd_durations_saturate() {
        let century = mean([Duration::MAX, Duration::MAX].into_iter());
        assert_eq!(century, Some(Duration::from_nanos(u64::MAX)));
    }
}
