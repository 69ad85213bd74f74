//! `services list`.

use nginx_syntax::quoted;
use serde_json::{Value as Json, json};

use super::{
    error::ServicesError,
    options::ListOptions,
    routed::{Routed, routed},
};
use crate::{
    keys::say,
    routing::{Service, ServiceNodes, tally},
    terminal::{Cell, ColorWhen, Column, Paint, Palette, Table},
};

/// Columns of a terminal that a cell takes at most.
const LONGEST: usize = 80;

/// Lists the services.
pub(super) async fn run(options: ListOptions) -> Result<(), ServicesError> {
    let target = options.target.target()?;
    let items = target.store.list(target.prefix.as_str()).await?;
    let mut services = tally(&items, &target.reading);
    let routed = match &options.routes {
        Some(prefix) => {
            Some(routed(&target.store.list_with_prefix(prefix).await?, services.keys()))
        }
        None => None,
    };
    // Routes may lead to services that have no node.
    for name in routed.iter().flat_map(Routed::keys) {
        services.entry(name.clone()).or_default();
    }
    if options.json {
        let services = services.iter().map(|(name, service)| {
            let routes = routed.as_ref().map(|routed| routes_of(routed, name));
            as_json(name, service, routes)
        });
        return Ok(say(&format!("{:#}", services.collect::<Json>()))?);
    }
    if services.is_empty() {
        eprintln!("there is no key below {}", quoted(target.prefix.as_str()));
        return Ok(());
    }
    let palette = Palette::new(ColorWhen::Auto);
    Ok(say(&table(&services, routed.as_ref()).lines(palette, "").join("\n"))?)
}

fn routes_of<'r>(routed: &'r Routed, name: &[u8]) -> &'r [String] {
    routed.get(name).map(Vec::as_slice).unwrap_or_default()
}

fn table(services: &ServiceNodes, routed: Option<&Routed>) -> Table {
    let [service, routes] = ["service", "routes"].map(Column::of_text);
    let [nodes, down, drain, backup, rejected] =
        ["nodes", "down", "drain", "backup", "rejected"].map(Column::of_numbers);
    let columns = vec![service, nodes, down, drain, backup, rejected, routes];
    let mut table = Table::new(columns).with_cells_of(LONGEST);
    // A column without a number is left out.
    let some = |count: usize| match count {
        0 => Cell::default(),
        count => Cell::new(count.to_string()),
    };
    for (name, service) in services {
        let routes = routed.map(|routed| routes_of(routed, name).join(", "));
        let paint = if service.available == 0 { Paint::Bad } else { Paint::Plain };
        table.push(vec![
            Cell::new(String::from_utf8_lossy(name)),
            Cell::new(service.nodes.to_string()).painted(paint),
            some(service.down),
            some(service.drain),
            some(service.backup),
            some(service.rejected).painted(Paint::Bad),
            Cell::new(routes.unwrap_or_default()),
        ]);
    }
    table
}

fn as_json(name: &[u8], service: &Service, routes: Option<&[String]>) -> Json {
    json!({
        "name": String::from_utf8_lossy(name),
        "nodes": service.nodes,
        "available": service.available,
        "down": service.down,
        "drain": service.drain,
        "backup": service.backup,
        "rejected": service.rejected,
        "routes": routes,
    })
}

#[cfg(test)]
mod tests {
    use etcd_watch::Item;
    use upstream_peers::Reading;

    use super::{routed, routes_of, table, tally};
    use crate::terminal::{ColorWhen, Palette};

    fn items(pairs: &[(&str, &str)]) -> Vec<Item> {
        let item = |(key, value): &(&str, &str)| Item {
            key: key.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
            create_revision: 1,
            mod_revision: 1,
            lease: 0,
        };
        pairs.iter().map(item).collect()
    }

    #[test]
    fn each_service_is_a_row_with_its_routes() {
        let nodes = items(&[("api/1", "10.0.0.1:80"), ("web/1", "10.0.0.2:80 drain")]);
        let routes = items(&[("a.example", "web 9, new 1"), ("b.example", "web\n")]);
        let mut services = tally(&nodes, &Reading::default());
        let routed = routed(&routes, services.keys());
        assert_eq!(routes_of(&routed, b"web"), ["a.example", "b.example"]);
        services.entry(b"new".to_vec()).or_default();
        let lines = table(&services, Some(&routed)).lines(Palette::new(ColorWhen::Never), "");
        assert_eq!(
            lines,
            [
                "service  nodes  drain  routes",
                "api          1",
                "new          0         a.example",
                "web          1      1  a.example, b.example",
            ]
        );
    }

    #[test]
    fn a_service_may_have_the_name_of_a_whole_list() {
        let services = [b"a 1, b 1".to_vec()];
        let routed = routed(&items(&[("h", "a 1, b 1")]), services.iter());
        assert_eq!(routed.len(), 3);
        assert!(routed.values().all(|routes| routes == &["h"]));
    }
}
