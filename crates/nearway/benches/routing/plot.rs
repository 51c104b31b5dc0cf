//! One picture for each world: what requests cost over time, a line for each contestant.

use std::fmt::Write as _;

use crate::{
    change::changes,
    contestant::Contestant,
    round::Round,
    score::Score,
    statistics::mean,
    world::{LENGTH, START, World},
};

/// Its name in the folder of the report.
pub(crate) fn file(world: &World) -> String {
    format!("{}.svg", world.name.replace(", ", "-").replace(' ', "-"))
}

/// The mean cost of each second; dotted where another region becomes the best.
pub(crate) fn svg(round: &Round) -> String {
    let shown = Contestant::MOVING.into_iter().zip(COLOURS);
    let lines: Vec<_> = shown
        .filter_map(|(contestant, colour)| {
            Some((contestant.name(), colour, by_second(round.of(contestant)?)))
        })
        .collect();
    let costs = lines.iter().flat_map(|(.., points)| points).map(|(_, cost)| *cost);
    let top = costs.fold(1.0, f64::max).min(TOP_MOST);
    let mut text = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 900 400' font-family='sans-serif' font-size='12'>\n\
        <rect width='900' height='400' fill='white'/>\n\
        <text x='50' y='20'>{}: milliseconds by second</text>\n\
        <text x='5' y='45'>{top:.0}</text><text x='5' y='365'>0</text>\n\
        <text x='50' y='385'>0 s</text><text x='630' y='385'>{LENGTH:.0} s</text>\n\
        <path d='M50 40V365H650' fill='none' stroke='silver'/>\n",
        round.world.name
    );
    for change in changes(&round.world) {
        let x = x(change.at - START);
        // writing to a string cannot fail
        let _ = writeln!(text, "<path d='M{x:.0} 40V365' stroke='silver' stroke-dasharray='2 4'/>");
    }
    for ((name, colour, points), place) in lines.iter().zip(1..) {
        let points: String = points
            .iter()
            .map(|(second, cost)| {
                format!("{:.0},{:.0} ", x(*second), 365.0 - 325.0 * cost.min(top) / top)
            })
            .collect();
        let _ = writeln!(
            text,
            "<polyline fill='none' stroke='{colour}' points='{points}'/>\n<text x='670' y='{}' fill='{colour}'>{name}</text>",
            30 + 20 * place
        );
    }
    text + "</svg>\n"
}

fn x(second: f64) -> f64 {
    50.0 + 600.0 * second / LENGTH
}

/// Those seconds in which a request came.
fn by_second(score: &Score) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut second = 0.0;
    while second < LENGTH {
        let from = START + second;
        let costs: Vec<f64> = score
            .ended
            .iter()
            .filter(|ended| (from..from + 1.0).contains(&ended.request.at))
            .map(|ended| ended.cost)
            .collect();
        if !costs.is_empty() {
            points.push((second, mean(&costs)));
        }
        second += 1.0;
    }
    points
}

/// Milliseconds; what is higher is cut off.
const TOP_MOST: f64 = 1_500.0;
const COLOURS: [&str; Contestant::MOVING.len()] =
    ["black", "green", "blue", "orange", "purple", "red", "brown", "gray"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        round::tests::round,
        score::tests::{ended, score},
        worlds,
    };

    #[test]
    fn each_world_has_a_file_of_its_own() {
        let files: BTreeSet<_> = worlds::all().iter().map(file).collect();
        assert_eq!(files.len(), worlds::all().len());
        assert!(files.contains("fast-probes-slow-prompts.svg"));
    }

    #[test]
    fn a_second_is_the_mean_of_what_came_in_it() {
        let mut score = score(Contestant::Oracle, &[]);
        score.ended = [(START, 100.0), (START + 0.9, 200.0), (START + 3.0, 50.0)]
            .map(|(at, cost)| ended(at, cost, 0))
            .into();
        assert_eq!(by_second(&score), [(0.0, 150.0), (3.0, 50.0)]);
    }

    #[test]
    fn whoever_took_part_has_a_line_and_each_change_another() {
        let picture = svg(&round("brown-out"));
        assert_eq!(picture.matches("<polyline").count(), 4);
        assert_eq!(picture.matches("dasharray").count(), 2);
        assert!(picture.contains(">Nearway adaptive</text>"));
    }
}
