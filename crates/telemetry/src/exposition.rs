//! Puts the exporter's text in order: families by name, series by label, absent gauges left out.
//!
//! The exporter can forget a series only after it was idle for a while, and then cuts it off from
//! the handles that still write to it. So a gauge that no longer applies (the rank of a removed
//! region) is set to [`ABSENT`], and this file drops its line. Called by `registry.rs` per scrape.

/// The value of a gauge that must not be shown. No metric has it as a meaning: times and counts
/// are never "not a number".
pub(crate) const ABSENT: f64 = f64::NAN;

/// Orders the exporter's families, which stand apart by an empty line, and drops absent series. A
/// family that is left without any goes too.
pub(crate) fn tidy(raw: &str) -> String {
    let mut families: Vec<_> = raw.split("\n\n").filter_map(family).collect();
    families.sort_unstable_by_key(|family| family.name);
    let mut text = String::with_capacity(raw.len());
    for line in families.iter().flat_map(|family| family.head.iter().chain(&family.series)) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

struct ExposedFamily<'a> {
    name: &'a str,
    head: Vec<&'a str>,
    series: Vec<&'a str>,
}

fn family(block: &str) -> Option<ExposedFamily<'_>> {
    let (head, mut series): (Vec<_>, Vec<_>) = block
        .lines()
        .filter(|line| !line.is_empty() && !line.ends_with(" NaN"))
        .partition(|line| line.starts_with('#'));
    let mut kind = head.last()?.split(' ').skip(2);
    let name = kind.next()?;
    // A histogram's buckets must stay together and rising; the exporter keeps those in order.
    if kind.next() != Some("histogram") {
        series.sort_unstable();
    }
    (!series.is_empty()).then_some(ExposedFamily { name, head, series })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_series_are_sorted_and_buckets_are_not() {
        let raw = "# HELP b B\n# TYPE b gauge\nb{r=\"y\"} 1\nb{r=\"x\"} 2\n\n\
                   # TYPE a histogram\na_bucket{le=\"5\"} 1\na_bucket{le=\"10\"} 1\na_sum 3\na_count 1\n\n";
        let expected = "# TYPE a histogram\na_bucket{le=\"5\"} 1\na_bucket{le=\"10\"} 1\na_sum 3\na_count 1\n\
                        # HELP b B\n# TYPE b gauge\nb{r=\"x\"} 2\nb{r=\"y\"} 1\n";
        assert_eq!(tidy(raw), expected);
    }

    #[test]
    fn an_absent_series_goes_and_a_family_of_absent_ones_goes_whole() {
        let raw = format!(
            "# TYPE a gauge\na{{r=\"x\"}} {ABSENT}\na{{r=\" NaN\"}} 0\n\n# TYPE b gauge\nb {ABSENT}\n\n"
        );
        assert_eq!(tidy(&raw), "# TYPE a gauge\na{r=\" NaN\"} 0\n");
    }

    #[test]
    fn nothing_stays_nothing() {
        assert_eq!(tidy(""), "");
    }
}
