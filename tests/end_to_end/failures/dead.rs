//! A dead peer with `max_fails=0`, which is never left alone: how often requests come to it first.

use harness::*;

use crate::beside::{Beside, Kept, Way, routes};

/// Requests of each method and group: whole cycles of all these weights.
const REQUESTS: usize = 240;

/// How much less or more the stock nginx gives to a peer that lives: retries put it off.
const ROUNDING: usize = 2;

/// The weights of peers, and which of them is dead.
const GROUPS: [(&[usize], usize); 4] =
    [(&[1, 1], 0), (&[1, 1, 1], 1), (&[3, 1], 0), (&[1, 1, 1, 1, 1], 4)];

const PARAMETERS: [&str; 4] = ["", "max_fails=0", "max_fails=0 weight=2", "max_fails=0 weight=3"];

/// How often each peer was the `at`-th to be tried.
fn counts(ways: &[Way], at: usize, peers: usize) -> Vec<usize> {
    let mut counts = vec![0; peers];
    ways.iter().filter_map(|(_, tried)| tried.get(at)).for_each(|&peer| counts[peer] += 1);
    counts
}

/// As often as its weight says, as with the stock nginx: the retries of some requests do not lead
/// the next ones to it. Those that come to it are spread over all others.
#[tokio::test]
async fn a_dead_peer_is_tried_first_no_more_often_than_its_weight_says() -> Result<()> {
    for (weights, dead) in GROUPS {
        let nodes = start_nodes(weights.len()).await?;
        let nobody = format!("127.0.0.1:{}", free_port()?);
        let address = |number: usize| {
            if number == dead { nobody.clone() } else { nodes[number].address().to_string() }
        };
        let peers: Vec<_> = (0..weights.len())
            .map(|number| (address(number), PARAMETERS[weights[number]]))
            .collect();
        let methods = routes(&[("turns", "round_robin"), ("least", "least_conn")]);
        let beside = Beside::start(&peers, &methods, Kept::No, "").await?;
        let total: usize = weights.iter().sum();
        let due: Vec<_> = weights.iter().map(|weight| REQUESTS * weight / total).collect();
        for route in &methods {
            let what = format!("{}, weights {weights:?}, dead {dead}", route.method);
            let questions: Vec<_> =
                (0..REQUESTS).map(|_| Question::new(format!("/{}/", route.name))).collect();
            let both = beside.ask_in_turn(&questions).await?;
            for (ways, rounding) in both.into_iter().zip([0, ROUNDING]) {
                assert!(ways.iter().all(|(status, _)| *status == 200), "{what}: {ways:?}");
                let firsts = counts(&ways, 0, weights.len());
                let is_due = |number: usize| firsts[number].abs_diff(due[number]) <= rounding;
                assert!((0..weights.len()).all(is_due), "{what}: {firsts:?} first tries");
                assert_eq!(firsts[dead], due[dead], "{what}");
                let seconds = counts(&ways, 1, weights.len());
                for (number, &count) in seconds.iter().enumerate() {
                    let share = if number == dead { 0 } else { weights[number] };
                    let share = share as f64 / (total - weights[dead]) as f64;
                    // Five standard deviations of what is drawn.
                    let slack = 5.0 * (due[dead] as f64 * share * (1.0 - share)).sqrt();
                    let far = (count as f64 - due[dead] as f64 * share).abs();
                    assert!(far <= slack, "{what}: {seconds:?} second tries");
                }
            }
        }
        beside.ours.check_log()?;
    }
    Ok(())
}
