//! `routes list`.

use nginx_syntax::quoted;
use serde_json::{Value as Json, json};
use upstream_peers::Reading;

use super::{
    error::RoutesError,
    options::ListOptions,
    route::{Route, routes, shares},
};
use crate::{
    keys::{lease, say},
    routing::{RouteTarget, Service, ServiceNodes, tally},
    terminal::{Cell, ColorWhen, Column, Paint, Palette, Table},
};

/// Columns of a terminal that a cell takes at most.
const LONGEST: usize = 80;

/// Lists the keys.
pub(super) async fn run(options: ListOptions) -> Result<(), RoutesError> {
    let rules = options.map.rules(options.target.secret);
    let target = options.target.target()?;
    let items = target.store.list_with_prefix(target.prefix.as_str()).await?;
    if items.is_empty() && !options.json {
        eprintln!("there is no key below {}", quoted(target.prefix.as_str()));
        return Ok(());
    }
    let services = match &options.services {
        Some(prefix) => Some(tally(&target.store.list(prefix).await?, &Reading::default())),
        None => None,
    };
    let routes = routes(&items, rules);
    let listing = Listing { is_secret: rules.is_secret, services: services.as_ref() };
    if options.json {
        let routes: Vec<_> = routes.iter().map(|route| listing.json(route)).collect();
        return Ok(say(&format!("{:#}", Json::Array(routes)))?);
    }
    let palette = Palette::new(ColorWhen::Auto);
    Ok(say(&listing.table(&routes).lines(palette, "").join("\n"))?)
}

/// How keys are listed.
struct Listing<'s> {
    is_secret: bool,
    services: Option<&'s ServiceNodes>,
}

impl Listing<'_> {
    fn table(&self, routes: &[Route<'_>]) -> Table {
        let columns = ["name", "value", "shares", "nodes", "lease", "rejected"];
        let mut table = Table::new(columns.map(Column::of_text).to_vec()).with_cells_of(LONGEST);
        for route in routes {
            table.push(vec![
                Cell::new(name(route)),
                Cell::new(self.value(route)),
                Cell::new(shares_of(&route.targets)),
                self.nodes(&route.targets),
                Cell::new(lease(route.item.lease).unwrap_or_default()),
                Cell::new(route.rejected.as_deref().unwrap_or_default()).painted(Paint::Bad),
            ]);
        }
        table
    }

    fn value(&self, route: &Route<'_>) -> String {
        match (self.is_secret, route.value.len()) {
            (false, _) => String::from_utf8_lossy(route.value).into_owned(),
            (true, 1) => "1 byte".to_owned(),
            (true, length) => format!("{length} bytes"),
        }
    }

    /// How many nodes the services have.
    fn nodes(&self, targets: &[RouteTarget<'_>]) -> Cell {
        let Some(services) = self.services else { return Cell::default() };
        let of = |target: &RouteTarget<'_>| services.get(target.name).copied().unwrap_or_default();
        let count = |service: Service| match (service.available, service.nodes) {
            (available, nodes) if available == nodes => nodes.to_string(),
            (available, nodes) => format!("{available} of {nodes}"),
        };
        let text = match targets {
            [one] => count(of(one)),
            several => {
                let one = |target: &RouteTarget<'_>| {
                    let name = String::from_utf8_lossy(target.name);
                    format!("{name}: {}", count(of(target)))
                };
                several.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        };
        let lacks = targets.iter().any(|target| target.weight > 0 && of(target).available == 0);
        Cell::new(text).painted(if lacks { Paint::Bad } else { Paint::Plain })
    }

    fn json(&self, route: &Route<'_>) -> Json {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shares = shares(&route.targets);
        let target = |(at, target): (usize, &RouteTarget<'_>)| {
            let nodes = self.services.map(|services| {
                let service = services.get(target.name).copied().unwrap_or_default();
                json!({
                    "nodes": service.nodes,
                    "available": service.available,
                    "rejected": service.rejected,
                })
            });
            json!({
                "name": text(target.name),
                "weight": target.weight,
                "share": shares.as_ref().and_then(|shares| shares.get(at)),
                "service": nodes,
            })
        };
        let targets: Vec<_> = route.targets.iter().enumerate().map(target).collect();
        json!({
            "name": text(&route.item.key),
            "value": (!self.is_secret).then(|| text(&route.item.value)),
            "length": route.value.len(),
            "revision": route.item.mod_revision,
            "lease": lease(route.item.lease),
            "targets": targets,
            "rejected": route.rejected,
        })
    }
}

/// The name, which has no text where the key is the prefix itself.
fn name(route: &Route<'_>) -> String {
    match &route.item.key[..] {
        b"" => "\"\"".to_owned(),
        key => String::from_utf8_lossy(key).into_owned(),
    }
}

/// Who gets which part, where there are several.
fn shares_of(targets: &[RouteTarget<'_>]) -> String {
    if targets.len() < 2 {
        return String::new();
    }
    let Some(shares) = shares(targets) else { return "none".to_owned() };
    let one = |(target, share): (&RouteTarget<'_>, f64)| {
        format!("{} {}", String::from_utf8_lossy(target.name), percent(share))
    };
    targets.iter().zip(shares).map(one).collect::<Vec<_>>().join(", ")
}

/// A part of all as people read it: with one digit behind the point, if that is not 0.
fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    match text.strip_suffix(".0") {
        Some("0") if share > 0.0 => "<0.1%".to_owned(),
        Some("100") if share < 1.0 => ">99.9%".to_owned(),
        Some(whole) => format!("{whole}%"),
        None => format!("{text}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::{percent, shares_of};
    use crate::routing::listed;

    #[test]
    fn shares_are_percentages_of_all_weights() {
        let of = |value: &str| shares_of(&listed(value.as_bytes()).expect("a list"));
        assert_eq!(of("web-v1 90, web-v2 10"), "web-v1 90%, web-v2 10%");
        assert_eq!(of("a 1, b 2"), "a 33.3%, b 66.7%");
        assert_eq!((of("web"), of("a 0, b 0")), (String::new(), "none".to_owned()));
        assert_eq!((percent(0.000_4), percent(0.999_9)), ("<0.1%".into(), ">99.9%".into()));
        assert_eq!((percent(0.0), percent(1.0)), ("0%".into(), "100%".into()));
    }
}
