//! Means and percentiles. Of no values, all are `NaN`.

use std::fmt::{self, Display};

/// What tables show of many times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let [p50, p95, p99] = [50, 95, 99].map(|percent| nearest_rank(&sorted, percent));
        Self { mean: mean(values), p50, p95, p99 }
    }
}

/// Mean and percentiles, without decimals; a dash where there is nothing.
impl Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mean.is_nan() {
            return f.write_str("-");
        }
        write!(f, "{:.0}/{:.0}/{:.0}/{:.0}", self.mean, self.p50, self.p95, self.p99)
    }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of positive values.
pub(crate) fn geometric_mean(values: &[f64]) -> f64 {
    mean(&values.iter().map(|value| value.ln()).collect::<Vec<_>>()).exp()
}

/// By nearest rank, so one of the values; of an even number the lower of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    nearest_rank(&sorted, 50)
}

/// The largest, or nothing if there are none.
pub(crate) fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

/// The least of the sorted values that at least `percent` of them, from 1 to 100, do not exceed.
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(most: u32) -> Vec<f64> {
        // not sorted, as times are not
        (1..=most).rev().map(f64::from).collect()
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        for (count, mean, p50, p95, p99) in [
            (1, 1.0, 1.0, 1.0, 1.0),
            (2, 1.5, 1.0, 2.0, 2.0),
            (28, 14.5, 14.0, 27.0, 28.0),
            (100, 50.5, 50.0, 95.0, 99.0),
            (200, 100.5, 100.0, 190.0, 198.0),
            (1_000, 500.5, 500.0, 950.0, 990.0),
        ] {
            let expected = Spread { mean, p50, p95, p99 };
            assert_eq!(Spread::of(&up_to(count)), expected, "1 to {count}");
        }
    }

    #[test]
    fn means_and_extremes() {
        assert!((geometric_mean(&[1.0, 4.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((mean(&[1.0, 2.0, 6.0]) - 3.0).abs() < 1e-9);
        assert_eq!(median(&[f64::INFINITY, 3.0, 1.0]).to_string(), "3");
        assert_eq!(most(&[2.0, 7.0, 1.0]).to_string(), "7");
    }

    #[test]
    fn nothing_is_no_number_and_shown_as_a_dash() {
        assert!(
            [mean(&[]), geometric_mean(&[]), median(&[]), most(&[])].iter().all(|x| x.is_nan())
        );
        assert_eq!(Spread::of(&[]).to_string(), "-");
        assert_eq!(Spread::of(&[1.4, 2.6]).to_string(), "2/1/3/3");
    }
}
