//! The engine's promises, one test each.

use std::sync::Arc;

use nearway_route::{
    Asked, Condition, Lack, Measured, Moment, OTHER, Outcome, Ranker, RegionId, Sample, Source,
    State, Verdict,
};

use crate::fixture::{
    SETTINGS, answer, at, failure, ids, live, ms, names, order, ranker, region, region_with,
};

const R0: RegionId = RegionId(0);
const R1: RegionId = RegionId(1);
const R2: RegionId = RegionId(2);

#[test]
fn before_any_sample_the_configured_order_decides() {
    let published = ranker(&[7, 3, 5], &["a"]).rank(Moment::ZERO);
    assert_eq!(order(&published, "a"), [7, 3, 5]);
    let ranking = published.table.ranking(Some("a"));
    assert_eq!(ranking.verdict, Verdict::Configured);
    assert!(ranking.order.iter().all(|entry| entry.state == State::Unknown));
    let changes: Vec<_> =
        published.changes.iter().map(|change| (change.label(), &*change.to)).collect();
    assert_eq!(changes, [("a", "r7"), (OTHER, "r7")]);
    assert!(published.changes.iter().all(|change| change.from.is_none()));
}

#[test]
fn the_least_average_leads_and_each_table_is_newer_than_the_last() {
    let mut ranker = ranker(&[0, 1, 2], &["a"]);
    for (region, samples) in [(R0, [100, 300]), (R1, [150, 150]), (R2, [10, 400])] {
        for first_token in samples {
            ranker.observe(region, Some("a"), answer(1, first_token));
        }
    }
    let published = ranker.rank(at(2));
    assert_eq!(order(&published, "a"), [1, 0, 2]);
    let best = published.table.ranking(Some("a")).leader().unwrap();
    assert_eq!((best.score, best.samples, best.failures), (Some(ms(150)), 2, 0));
    assert_eq!(best.first_token.map(|spread| (spread.min, spread.max)), Some((ms(150), ms(150))));
    assert_eq!(ranker.rank(at(3)).table.version, published.table.version + 1);
}

#[test]
fn a_leader_that_fails_is_left_at_once_and_must_win_its_lead_again() {
    let mut ranker = ranker(&[0, 1], &["a"]);
    ranker.observe(R0, Some("a"), answer(1, 100));
    ranker.observe(R1, Some("a"), answer(1, 900));
    assert_eq!(order(&ranker.rank(at(1)), "a"), [0, 1]);

    ranker.observe(R0, Some("a"), failure(2));
    let published = ranker.rank(at(2));
    assert_eq!(order(&published, "a"), [1, 0]);
    let change = &published.changes[0];
    assert_eq!((change.from.as_deref(), &*change.to), (Some("r0"), "r1"));
    assert_eq!((change.verdict, change.at), (Verdict::LeaderDown, at(2)));
    let down = &published.table.ranking(Some("a")).order[1];
    assert_eq!(
        (down.state, down.last_error.map(|error| error.reason)),
        (State::Down, Some("timeout"))
    );

    ranker.observe(R0, Some("a"), answer(3, 100));
    let published = ranker.rank(at(3));
    assert_eq!(order(&published, "a"), [1, 0], "the failure is still in the window, as a cost");
    assert!(published.changes.is_empty());

    // one window later the failure is forgotten
    ranker.observe(R0, Some("a"), answer(303, 100));
    ranker.observe(R1, Some("a"), answer(303, 900));
    assert_eq!(order(&ranker.rank(at(303)), "a"), [0, 1]);
}

#[test]
fn a_small_gain_changes_nothing_and_says_so() {
    let mut ranker = ranker(&[0, 1], &["a"]);
    ranker.observe(R0, Some("a"), answer(1, 295));
    ranker.observe(R1, Some("a"), answer(1, 300));
    ranker.rank(at(1));
    ranker.observe(R1, Some("a"), answer(2, 200));
    let ranking = Arc::clone(ranker.rank(at(100)).table.ranking(Some("a")));
    assert_eq!((ids(&ranking), ranking.verdict), (vec![0, 1], Verdict::GainTooSmall));
    assert_eq!(ranking.leader_since, Some(at(1)));
}

#[test]
fn a_stale_region_ranks_behind_fresh_ones_whatever_its_score() {
    let mut ranker = ranker(&[0, 1, 2], &["a"]);
    ranker.observe(R0, Some("a"), answer(1, 5));
    ranker.observe(R1, Some("a"), answer(1, 900));
    ranker.observe(R1, Some("a"), answer(92, 900));
    let published = ranker.rank(at(92));
    assert_eq!(order(&published, "a"), [1, 0, 2]);
    let ranking = published.table.ranking(Some("a"));
    assert_eq!(
        [1, 2].map(|place: usize| ranking.order[place].state),
        [State::Stale, State::Unknown]
    );

    // long after the window: still not unknown, still ranked by what was measured last
    let published = ranker.rank(at(9_999));
    assert_eq!(published.table.ranking(Some("a")).leader().unwrap().state, State::Stale);
}

#[test]
fn what_requests_see_is_shown_and_does_not_rank() {
    let mut ranker = ranker(&[0, 1], &["a"]);
    ranker.observe(R0, Some("a"), answer(1, 200));
    ranker.observe(R1, Some("a"), answer(1, 100));
    ranker.observe(R1, Some("a"), live(answer(2, 5_000)));
    ranker.observe(R1, Some("a"), live(failure(3)));
    let published = ranker.rank(at(3));
    let leader = published.table.ranking(Some("a")).leader().unwrap();
    assert_eq!((leader.region, leader.state, leader.score), (R1, State::Fresh, Some(ms(100))));
    assert_eq!((leader.live.samples, leader.live.failures), (2, 1));
    assert_eq!(leader.live.first_token.map(|spread| spread.average), Some(ms(5_000)));
    assert_eq!(leader.last_error.map(|error| error.at), Some(at(3)));
}

#[test]
fn a_ranking_holds_the_regions_that_serve_its_deployment() {
    let regions = vec![region_with(0, &["a"]), region(1), region_with(2, &[])];
    let mut ranker = Ranker::new(SETTINGS, 1, regions, names(&["b", "a", "b", ""]));
    let published = ranker.rank(at(1));
    assert_eq!(order(&published, "a"), [0, 1]);
    assert_eq!(order(&published, "b"), [1]);
    assert_eq!(published.table.ranking(Some("b")).verdict, Verdict::Only);
    for other in [None, Some(""), Some("unheard-of")] {
        assert_eq!(ids(published.table.ranking(other)), [0, 1, 2], "{other:?}");
    }
    let labels: Vec<_> = published.table.rankings().map(|ranking| ranking.label()).collect();
    assert_eq!(labels, ["a", "b", OTHER]);
}

#[test]
fn the_fallback_averages_a_regions_best_deployments() {
    let mut ranker = ranker(&[0, 1, 2], &["a", "b"]);
    for (region, deployment, sample) in [
        (R0, "a", answer(1, 100)),
        (R0, "b", answer(1, 500)),
        (R1, "a", failure(1)),
        (R1, "b", answer(1, 200)),
        (R2, "a", failure(1)),
        (R2, "b", failure(1)),
    ] {
        ranker.observe(region, Some(deployment), sample);
    }
    let published = ranker.rank(at(1));
    let fallback = published.table.ranking(None);
    assert_eq!(ids(fallback), [1, 0, 2]);
    let seen = |place: usize| (fallback.order[place].state, fallback.order[place].score);
    assert_eq!(
        seen(0),
        (State::Fresh, Some(ms(200))),
        "one deployment missing is not a region down"
    );
    assert_eq!(seen(1), (State::Fresh, Some(ms(300))));
    assert_eq!(seen(2).0, State::Down);
}

#[test]
fn requests_for_unprobed_deployments_share_one_memory() {
    let mut ranker = ranker(&[0], &["a"]);
    for deployment in [None, Some("x"), Some("y")] {
        ranker.observe(R0, deployment, live(answer(1, 50)));
    }
    ranker.observe(R0, Some("no-longer-probed"), answer(1, 50));
    let published = ranker.rank(at(1));
    let entry = published.table.ranking(None).leader().unwrap();
    assert_eq!((entry.live.samples, entry.samples, entry.state), (3, 0, State::Unknown));
}

#[test]
fn without_deployments_reachability_ranks() {
    let mut ranker = ranker(&[0, 1], &[]);
    for (region, head) in [(R0, 80), (R1, 20)] {
        let outcome = Outcome::Reachable { head: ms(head) };
        ranker.observe(
            region,
            None,
            Sample { at: at(1), source: Source::Probe, asked: Asked::probe(0), outcome },
        );
    }
    let published = ranker.rank(at(1));
    let ranking = published.table.ranking(Some("anything"));
    assert_eq!((ids(ranking), ranking.measured), (vec![1, 0], Measured::Reachability));
    assert_eq!(ranking.order[0].head.map(|spread| spread.average), Some(ms(20)));
}

#[test]
fn the_first_round_is_done_when_everything_was_probed_once_even_if_it_failed() {
    let regions = vec![region_with(0, &["a"]), region(1)];
    let mut ranker = Ranker::new(SETTINGS, 1, regions, names(&["a", "b"]));
    for (region, deployment) in [(R0, "a"), (R1, "a"), (R1, "b")] {
        assert!(!ranker.first_round_done());
        ranker.observe(region, Some(deployment), live(answer(1, 5)));
        ranker.observe(region, Some(deployment), failure(1));
    }
    assert!(ranker.first_round_done());
}

#[test]
fn a_reload_keeps_what_is_known_of_the_regions_that_stay() {
    let mut ranker = ranker(&[0, 1], &["a"]);
    ranker.observe(R0, Some("a"), answer(1, 100));
    ranker.observe(R1, Some("a"), answer(1, 200));
    let before = ranker.rank(at(1)).table;
    before.ranking(Some("a")).order[1].vitals.cool_until(at(60));
    before.ranking(Some("a")).order[1].region_vitals.cool_until(at(70));

    ranker.reconfigure(SETTINGS, 2, [2, 1].map(region).into(), names(&["a", "b"]));
    let published = ranker.rank(at(2));
    assert_eq!(published.table.generation, 2);
    assert_eq!(order(&published, "a"), [1, 2], "the added region has no sample yet");
    let kept = published.table.ranking(Some("a")).leader().unwrap();
    assert_eq!((kept.score, kept.cooled_for(at(2))), (Some(ms(200)), Some(ms(68_000))));
    assert_eq!(kept.vitals.cooled_for(at(2)), Some(ms(58_000)));
    let change = &published.changes[0];
    assert_eq!((change.from.as_deref(), change.verdict), (Some("r0"), Verdict::LeaderGone));

    ranker.observe(R0, Some("a"), answer(3, 1));
    assert_eq!(order(&ranker.rank(at(3)), "a"), [1, 2], "a removed region's sample comes too late");
}

#[test]
fn a_probe_that_is_answered_ends_what_requests_were_told() {
    let mut ranker = ranker(&[0], &["a", "b"]);
    let table = ranker.rank(at(1)).table;
    let [of_a, of_b, of_others] = [Some("a"), Some("b"), None]
        .map(|deployment| table.ranking(deployment).leader().unwrap().clone());
    let chat = Lack::operation(0);
    for entry in [&of_a, &of_b, &of_others] {
        entry.vitals.lack_until(Lack::DEPLOYMENT, at(60));
        entry.vitals.lack_until(chat, at(50));
    }
    of_a.region_vitals.unauthorized_until(at(60));

    let conditions = || [&of_a, &of_b, &of_others].map(|entry| entry.condition(chat, at(2)));
    let (lacking, unauthorized) = (Condition::Lacking, Condition::Unauthorized);
    ranker.observe(R0, Some("a"), failure(2));
    ranker.observe(R0, Some("a"), live(answer(2, 100)));
    assert_eq!(conditions(), [lacking, lacking, unauthorized], "many share the last one");

    ranker.observe(R0, Some("a"), answer(2, 100));
    assert_eq!(of_a.unauthorized_for(at(2)), None);
    assert_eq!(conditions(), [lacking, lacking, Condition::Good]);
    assert_eq!(of_a.lacks_for(Lack::DEPLOYMENT, at(2)), None);
    assert_eq!(of_a.lacks_for(chat, at(2)), Some(ms(48_000)), "a probe is one operation");
    assert_eq!(of_b.lacks_for(Lack::DEPLOYMENT, at(2)), Some(ms(58_000)));
}

#[test]
fn a_ranking_that_loses_all_its_regions_is_empty_and_recovers() {
    let mut ranker = ranker(&[0], &["a"]);
    ranker.rank(at(1));
    ranker.reconfigure(SETTINGS, 2, vec![], names(&["a"]));
    let published = ranker.rank(at(2));
    let ranking = published.table.ranking(Some("a"));
    assert!(ranking.leader().is_none() && ranking.leader_since.is_none());
    assert!(published.changes.is_empty());
    ranker.reconfigure(SETTINGS, 3, vec![region(1)], names(&["a"]));
    assert_eq!(ranker.rank(at(3)).changes.len(), 2);
}

#[test]
fn time_does_not_go_back() {
    let mut ranker = ranker(&[0], &["a"]);
    ranker.rank(at(10));
    assert_eq!(ranker.rank(at(5)).table.at, at(10));
}
