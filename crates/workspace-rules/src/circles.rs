//! Circles: files that import one another, directly or by others.

use std::collections::BTreeSet;

use crate::imports::Imports;

/// The circles, each as the names in it; a name is in one circle at most.
pub fn circles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for name in imports.0.keys() {
        if circles.iter().any(|circle| circle.contains(name)) {
            continue;
        }
        let reached = reach(imports, name);
        let circle: BTreeSet<String> =
            reached.into_iter().filter(|other| reach(imports, other).contains(name)).collect();
        if !circle.is_empty() {
            circles.push(circle);
        }
    }
    circles
}

/// All that is imported by `name`, also by way of others.
fn reach(imports: &Imports, name: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![name.to_owned()];
    while let Some(next) = waiting.pop() {
        for imported in imports.0.get(&next).into_iter().flatten() {
            if reached.insert(imported.clone()) {
                waiting.push(imported.clone());
            }
        }
    }
    reached
}
