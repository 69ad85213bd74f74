//! `services list`.

use nginx_syntax::quoted;
use serde_json::{Value as Json, json};

use super::{
    error::ServicesError,
    options::ListOptions,
    routed::{Routed, routed},
    settings::{ServiceSettings, fields, settings},
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
    let settings = match options.settings {
        Some(prefix) => {
            let prefix = target.settings_prefix(prefix)?;
            Some(settings(&target.store.list(prefix.as_str()).await?, options.stream))
        }
        None => None,
    };
    // Services that have no node may have settings, and routes may lead to them.
    for name in settings.iter().flat_map(ServiceSettings::keys) {
        services.entry(name.clone()).or_default();
    }
    let routed = match &options.routes {
        Some(prefix) => {
            Some(routed(&target.store.list_with_prefix(prefix).await?, services.keys()))
        }
        None => None,
    };
    for name in routed.iter().flat_map(Routed::keys) {
        services.entry(name.clone()).or_default();
    }
    let listing = Listing { services, routed, settings };
    if options.json {
        return Ok(say(&format!("{:#}", listing.json()))?);
    }
    if listing.services.is_empty() {
        eprintln!("there is no key below {}", quoted(target.prefix.as_str()));
        return Ok(());
    }
    let palette = Palette::new(ColorWhen::Auto);
    Ok(say(&listing.table().lines(palette, "").join("\n"))?)
}

/// What is listed.
struct Listing {
    services: ServiceNodes,
    /// If they are asked for.
    routed: Option<Routed>,
    /// If they are asked for.
    settings: Option<ServiceSettings>,
}

impl Listing {
    /// The routes that lead to a service; `None` if they are not asked for.
    fn routes(&self, name: &[u8]) -> Option<&[String]> {
        let routed = self.routed.as_ref()?;
        Some(routed.get(name).map(Vec::as_slice).unwrap_or_default())
    }

    fn table(&self) -> Table {
        let [service, settings, routes] = ["service", "settings", "routes"].map(Column::of_text);
        let [nodes, down, drain, backup, rejected] =
            ["nodes", "down", "drain", "backup", "rejected"].map(Column::of_numbers);
        let columns = vec![service, nodes, down, drain, backup, rejected, settings, routes];
        let mut table = Table::new(columns).with_cells_of(LONGEST);
        // A column without a number is left out.
        let some = |count: usize| match count {
            0 => Cell::default(),
            count => Cell::new(count.to_string()),
        };
        for (name, service) in &self.services {
            let paint = if service.available == 0 { Paint::Bad } else { Paint::Plain };
            table.push(vec![
                Cell::new(String::from_utf8_lossy(name)),
                Cell::new(service.nodes.to_string()).painted(paint),
                some(service.down),
                some(service.drain),
                some(service.backup),
                some(service.rejected).painted(Paint::Bad),
                self.settings(name),
                Cell::new(shown_names(self.routes(name).unwrap_or_default())),
            ]);
        }
        table
    }

    /// What the service has of its own, in short.
    fn settings(&self, name: &[u8]) -> Cell {
        match self.settings.as_ref().and_then(|settings| settings.get(name)) {
            None => Cell::default(),
            Some(Ok(settings)) => Cell::new(fields(settings)),
            Some(Err(_)) => Cell::new("rejected").painted(Paint::Bad),
        }
    }

    fn json(&self) -> Json {
        self.services.iter().map(|(name, service)| self.service_json(name, service)).collect()
    }

    fn service_json(&self, name: &[u8], service: &Service) -> Json {
        let settings = self.settings.as_ref().and_then(|settings| settings.get(name));
        json!({
            "name": String::from_utf8_lossy(name),
            "nodes": service.nodes,
            "available": service.available,
            "down": service.down,
            "drain": service.drain,
            "backup": service.backup,
            "rejected": service.rejected,
            "settings": settings.and_then(|settings| settings.as_ref().ok()),
            "settings_rejected": settings
                .and_then(|settings| settings.as_ref().err())
                .map(ToString::to_string),
            "routes": self.routes(name),
        })
    }
}

/// Names of routes, as `routes list` shows them: an empty one is to be seen.
fn shown_names(routes: &[String]) -> String {
    let shown = |route: &String| if route.is_empty() { "\"\"".to_owned() } else { route.clone() };
    routes.iter().map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use etcd_watch::Item;
    use upstream_peers::Reading;

    use serde_json::Value as Json;

    use super::{Listing, routed, settings, tally};
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
        let routes = items(&[("", "api"), ("a.example", "web 9, new 1"), ("b.example", "web\n")]);
        let mut services = tally(&nodes, &Reading::default());
        let routed = Some(routed(&routes, services.keys()));
        services.entry(b"new".to_vec()).or_default();
        let listing = Listing { services, routed, settings: None };
        assert_eq!(
            listing.routes(b"web"),
            Some(&["a.example", "b.example"].map(str::to_owned)[..])
        );
        let lines = listing.table().lines(Palette::new(ColorWhen::Never), "");
        assert_eq!(
            lines,
            [
                "service  nodes  drain  routes",
                "api          1         \"\"",
                "new          0         a.example",
                "web          1      1  a.example, b.example",
            ]
        );
    }

    #[test]
    fn settings_are_shown_with_their_services() {
        let nodes = items(&[("api/1", "10.0.0.1:80"), ("web/1", "10.0.0.2:80")]);
        let of_services = items(&[
            ("api", r#"{"check":"off","balance":"least_conn"}"#),
            ("new", "{}"),
            ("web", r#"{"weight":5}"#),
        ]);
        let mut services = tally(&nodes, &Reading::default());
        services.entry(b"new".to_vec()).or_default();
        let settings = Some(settings(&of_services, false));
        let mut listing = Listing { services, routed: None, settings };
        let lines = listing.table().lines(Palette::new(ColorWhen::Never), "");
        assert_eq!(
            lines,
            [
                "service  nodes  settings",
                "api          1  balance, check",
                "new          0  {}",
                "web          1  rejected",
            ]
        );
        let json = listing.json();
        assert_eq!(json[0]["settings"]["balance"], "least_conn");
        assert_eq!(json[0]["settings_rejected"], Json::Null);
        assert_eq!(json[2]["settings"], Json::Null);
        let reason = json[2]["settings_rejected"].as_str().expect("a reason");
        assert!(reason.starts_with("unknown setting \"weight\""), "{reason}");
        listing.settings = None;
        assert_eq!(listing.json()[2]["settings_rejected"], Json::Null);
    }

    #[test]
    fn a_service_may_have_the_name_of_a_whole_list() {
        let services = [b"a 1, b 1".to_vec()];
        let routed = routed(&items(&[("h", "a 1, b 1")]), services.iter());
        assert_eq!(routed.len(), 3);
        assert!(routed.values().all(|routes| routes == &["h"]));
    }
}
