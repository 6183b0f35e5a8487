//! Medians, and how they are printed.

/// The middle one of an odd number of values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints one figure of each round, their median, and whether it is as good as it should be: `goal` is empty, or `≥` or `≤` and a
/// number.
pub(crate) fn print(what: &str, rounds: Vec<f64>, goal: &str) {
    let each: Vec<String> = rounds.iter().map(|value| format!("{value:.2}")).collect();
    let middle = median(rounds);
    let verdict = goal.split_once(' ').map_or(String::new(), |(relation, bound)| {
        let bound: f64 = bound.parse().expect("a number");
        let met = if relation == "≥" { middle >= bound } else { middle <= bound };
        format!("goal {goal}: {}", if met { "met" } else { "MISSED" })
    });
    println!("{what:<58} {middle:>9.2}  [{}]  {verdict}", each.join(" "));
}
