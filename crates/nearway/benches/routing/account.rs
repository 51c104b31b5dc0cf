//! Nearway's own account, read from its admin pages.

use serde_json::Value;

use crate::score::Account;

impl Account {
    /// From `/metrics` and `/api/changes`; `None` if they are not what they should be.
    pub(crate) fn read(metrics: &str, changes: &str, rounds: f64) -> Option<Self> {
        let changes: Value = serde_json::from_str(changes).ok()?;
        let changes = changes.get("changes")?.as_array()?;
        let led_before = |change: &&Value| change.get("from").is_some_and(Value::is_string);
        let tokens = |kind: &str| sum(metrics, "nearway_probe_tokens_total", kind);
        Some(Self {
            probes: sum(metrics, "nearway_probes_total", "")?,
            prompt_tokens: tokens(r#"kind="prompt""#)?,
            completion_tokens: tokens(r#"kind="completion""#)?,
            changes: changes.iter().filter(led_before).count(),
            rounds,
        })
    }
}

/// Of all series of a counter that have this label; `None` if there are none.
fn sum(metrics: &str, name: &str, label: &str) -> Option<u64> {
    let of_name = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let series = of_name.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label));
    let mut values =
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).peekable();
    values.peek()?;
    Some(values.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = r#"
# HELP nearway_probes_total Probes
nearway_probes_total{region="r0",deployment="gpt-4o",outcome="ok"} 30
nearway_probes_total{region="r1",deployment="gpt-4o",outcome="head_timeout"} 2
nearway_probes_skipped_total{region="r0",deployment="gpt-4o",reason="fresh"} 900
nearway_probe_tokens_total{region="r0",deployment="gpt-4o",kind="prompt"} 270
nearway_probe_tokens_total{region="r1",deployment="gpt-4o",kind="prompt"} 9
nearway_probe_tokens_total{region="r0",deployment="gpt-4o",kind="completion"} 31
"#;
    const CHANGES: &str = r#"{"changes": [
        {"deployment": "gpt-4o", "from": "r0", "to": "r1"},
        {"deployment": "gpt-4o", "from": null, "to": "r0"}
    ]}"#;

    #[test]
    fn series_are_summed_and_the_first_leader_is_no_change() {
        let account = Account::read(METRICS, CHANGES, 80.0).unwrap();
        assert_eq!((account.probes, account.changes), (32, 1));
        assert_eq!((account.prompt_tokens, account.completion_tokens), (279, 31));
    }

    #[test]
    fn pages_that_say_nothing_are_no_account_of_nothing() {
        assert!(Account::read("", CHANGES, 80.0).is_none());
        assert!(Account::read(METRICS, "", 80.0).is_none());
    }
}
