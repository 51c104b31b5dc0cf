//! One picture for each world: what requests cost over time, a line for each contestant.

use std::fmt::Write as _;

use crate::{
    contestants::{Contestant, Score},
    worlds::{LENGTH, START, World},
};

/// Its name in the folder of the report.
pub(crate) fn file(world: &World) -> String {
    format!("{}.svg", world.name.replace([' ', ','], "-"))
}

/// The mean cost of each second.
pub(crate) fn svg(world: &World, scores: &[Score]) -> String {
    let shown = scores.iter().filter(|score| !matches!(score.contestant, Contestant::Fixed(_)));
    let lines: Vec<(String, Vec<(f64, f64)>)> =
        shown.map(|score| (score.contestant.name(), by_second(score))).collect();
    let top =
        lines.iter().flat_map(|(_, points)| points).map(|(_, cost)| *cost).fold(1.0, f64::max);
    let top = top.min(TOP_MOST);
    let mut text = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 900 400' font-family='sans-serif' font-size='12'>\n<rect width='900' height='400' fill='white'/>\n<text x='50' y='20'>{}: milliseconds by second</text>\n<text x='5' y='45'>{top:.0}</text><text x='5' y='365'>0</text>\n",
        world.name
    );
    for ((name, points), (colour, place)) in lines.iter().zip(COLOURS.into_iter().zip(1..)) {
        let points: String = points
            .iter()
            .map(|(second, cost)| {
                let x = 50.0 + 600.0 * second / LENGTH;
                format!("{x:.0},{:.0} ", 365.0 - 325.0 * cost.min(top) / top)
            })
            .collect();
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "<polyline fill='none' stroke='{colour}' points='{points}'/>\n<text x='670' y='{}' fill='{colour}'>{name}</text>",
            30 + 20 * place
        );
    }
    text + "</svg>\n"
}

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
            points.push((second, costs.iter().sum::<f64>() / costs.len() as f64));
        }
        second += 1.0;
    }
    points
}

/// Milliseconds; what is higher is cut off.
const TOP_MOST: f64 = 1_500.0;
const COLOURS: [&str; 8] = ["black", "green", "blue", "orange", "purple", "red", "brown", "gray"];
