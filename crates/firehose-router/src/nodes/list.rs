//! `nodes list`.

use etcd_watch::Item;
use nginx_syntax::quoted;
use serde_json::{Value as Json, json};
use upstream_peers::{KeyContent, Reading, ValueForm, form_of, parse_value};

use super::{error::NodesError, options::ListOptions};
use crate::{
    check_value::peers_json,
    keys::{KeysError, lease, say},
    terminal::{Cell, ColorWhen, Column, Paint, Palette, Table},
};

/// Columns of a terminal that a cell takes at most.
const LONGEST: usize = 80;

/// Lists the nodes.
pub(super) async fn run(options: ListOptions) -> Result<(), NodesError> {
    let target = options.target.target()?;
    let items = target.store.list(target.prefix.as_str()).await?;
    if items.is_empty() && !options.json {
        eprintln!("there is no key below {}", quoted(target.prefix.as_str()));
        return Ok(());
    }
    Ok(print(&items, &target.reading, options.json)?)
}

/// Prints the keys of nodes, with what the router makes of their values.
pub(crate) fn print(items: &[Item], reading: &Reading, is_json: bool) -> Result<(), KeysError> {
    if is_json {
        let nodes: Vec<_> = items.iter().map(|item| as_json(reading, item)).collect();
        return say(&format!("{:#}", Json::Array(nodes)));
    }
    let palette = Palette::new(ColorWhen::Auto);
    say(&table(reading, items).lines(palette, "").join("\n"))
}

fn table(reading: &Reading, items: &[Item]) -> Table {
    let columns = ["key", "address", "parameters", "form", "lease", "rejected"];
    let mut table = Table::new(columns.map(Column::of_text).to_vec()).with_cells_of(LONGEST);
    for item in items {
        let key = String::from_utf8_lossy(&item.key);
        let form = str::from_utf8(&item.key).ok().and_then(|key| form_of(key, &item.value));
        let form = form.filter(|form| *form != ValueForm::Server).map_or("", ValueForm::as_str);
        let (address, parameters, rejected) = match read(reading, item) {
            Ok(KeyContent::Servers { values, .. }) => {
                let servers: Vec<_> = values.iter().map(|value| value.server.as_str()).collect();
                let parameters = values.first().map(|value| value.overrides.to_string());
                (servers.join(" "), parameters.unwrap_or_default(), String::new())
            }
            Ok(KeyContent::Setting { of, weight }) => {
                let weight = weight.map(|weight| format!("weight={weight} "));
                (String::new(), format!("{}of {of}", weight.unwrap_or_default()), String::new())
            }
            Err(reason) => (String::new(), String::new(), reason),
        };
        table.push(vec![
            Cell::new(key),
            Cell::new(address),
            Cell::new(parameters.trim_start()),
            Cell::new(form),
            Cell::new(lease(item.lease).unwrap_or_default()),
            Cell::new(rejected).painted(Paint::Bad),
        ]);
    }
    table
}

/// What the router makes of it, or why it is rejected.
fn read<'i>(reading: &Reading, item: &'i Item) -> Result<KeyContent<'i>, String> {
    let key = str::from_utf8(&item.key).map_err(|_| "the key is not valid UTF-8".to_owned())?;
    parse_value(key, &item.value, reading).map_err(|error| error.to_string())
}

fn as_json(reading: &Reading, item: &Item) -> Json {
    let key = String::from_utf8_lossy(&item.key);
    let read = read(reading, item);
    let form = form_of(&key, &item.value);
    let rejected = read.as_ref().err().cloned();
    let (name, peers) = match &read {
        Ok(KeyContent::Servers { name, values }) => (Some(*name), peers_json(values, form)),
        Ok(KeyContent::Setting { of, .. }) => (Some(*of), json!([])),
        Err(_) => (None, json!([])),
    };
    json!({
        "key": key,
        "value": String::from_utf8_lossy(&item.value),
        "revision": item.mod_revision,
        "lease": lease(item.lease),
        "form": form.map(ValueForm::as_str),
        "name": name,
        "peers": peers,
        "rejected": rejected,
    })
}
