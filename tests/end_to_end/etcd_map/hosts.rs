//! Masks of hosts, beside nginx's own `map … hostnames` in the same nginx.

use std::{collections::BTreeMap, fmt::Write};

use harness::*;

use super::{ROUTES, all_say, route, start, with_map};
use crate::random::Random;

/// Names that are asked for.
const NAMES: usize = 10_000;
/// Keys, of which many are masks.
const MASKS: usize = 400;

/// Labels, few enough for names and masks to meet.
const LABELS: [&str; 8] = ["a", "b", "www", "example", "com", "org", "x-1", "a-b"];

fn name(random: &mut Random, labels: usize) -> String {
    let labels: Vec<&str> =
        (0..labels).map(|_| LABELS[random.below(LABELS.len() as u64) as usize]).collect();
    labels.join(".")
}

/// A key as nginx's map takes it.
fn mask(random: &mut Random) -> String {
    let labels = 1 + random.below(4) as usize;
    let name = name(random, labels);
    match random.below(5) {
        0 | 1 => format!("*.{name}"),
        2 => format!(".{name}"),
        3 => format!("{name}.*"),
        _ => name,
    }
}

/// Masks that nginx takes together: it refuses `.example.com` beside `example.com` or
/// `*.example.com`.
fn masks(random: &mut Random) -> BTreeMap<String, String> {
    let mut masks = BTreeMap::new();
    for number in 0..MASKS {
        let mask = mask(random);
        let clashes = match mask.strip_prefix("*.").or(mask.strip_prefix('.')) {
            Some(name) if mask.starts_with('.') => {
                masks.contains_key(name) || masks.contains_key(&format!("*.{name}"))
            }
            Some(name) => masks.contains_key(&format!(".{name}")),
            None => masks.contains_key(&format!(".{mask}")),
        };
        if !clashes {
            masks.insert(mask, format!("value-{number}"));
        }
    }
    masks
}

/// A name that a client may ask for, in capitals here and there, with dots where none belong.
fn asked(random: &mut Random) -> String {
    let labels = random.below(6) as usize;
    let mut name = name(random, labels);
    if random.below(4) == 0 {
        name = name.to_uppercase();
    }
    match random.below(12) {
        0 => name + ".",
        1 => format!(".{name}"),
        2 => name.replacen('.', "..", 1),
        3 => name + "..",
        4 => format!("*.{name}"),
        5 => name + "x",
        _ => name,
    }
}

#[tokio::test]
async fn hosts_are_found_as_by_nginx_own_map() -> Result<()> {
    let mut random = Random::new(0x0e7c_d0a9);
    let masks = masks(&mut random);
    let etcd = Etcd::start().await?;
    etcd.put_all(masks.iter().map(|(mask, value)| (route(mask), value.clone()))).await?;
    let mut native = String::new();
    for (mask, value) in &masks {
        writeln!(native, "{mask} {value};")?;
    }
    let configuration = with_map(
        &etcd,
        &format!(
            "etcd_map $http_x_name $service main {ROUTES} hostnames default=none;
             map $http_x_name $native {{ hostnames; default none; {native} }}"
        ),
    )
    .workers(1)
    .server("location = /map { return 200 '<$service>'; }")
    .server("location = /both { return 200 '$service $native'; }");
    let nginx = Nginx::start(configuration).await?;
    nginx.wait_for_log(&format!("{} entries", masks.len())).await?;
    let mut connection = nginx.connect().await?;
    let mut found = 0;
    for _ in 0..NAMES {
        let name = asked(&mut random);
        let answer = connection.get_with("/both", &[("X-Name", &name)]).await?.text();
        let (own, native) = answer.split_once(' ').ok_or("no two values")?;
        assert_eq!(own, native, "{name:?}");
        found += usize::from(own != "none");
    }
    println!("{} masks, {found} of {NAMES} names found", masks.len());
    assert!((NAMES / 4..NAMES).contains(&found), "{found}: the names and the masks hardly meet");
    nginx.check_log()
}

#[tokio::test]
async fn masks_change_while_nginx_runs() -> Result<()> {
    let (nginx, etcd) = start("hostnames default=none").await?;
    for (mask, value) in [
        ("*.example.com", "head"),
        ("www.*", "tail"),
        (".example.org", "dot"),
        ("a.example.org", "exact"),
    ] {
        etcd.put(route(mask), value).await?;
    }
    all_say(
        &nginx,
        &[
            ("www.example.com", "head"),
            ("WWW.Example.COM.", "head"),
            ("example.com", "none"),
            ("www.example.net", "tail"),
            ("example.org", "dot"),
            ("b.example.org", "dot"),
            ("a.example.org", "exact"),
            ("b.a.example.org", "dot"),
        ],
    )
    .await?;
    // What is more explicit wins for what it names, where nginx would refuse both together.
    etcd.put(route("example.org"), "own").await?;
    etcd.put(route("*.example.org"), "own head").await?;
    all_say(&nginx, &[("example.org", "own"), ("b.example.org", "own head")]).await?;
    etcd.delete(&route("example.org")).await?;
    all_say(&nginx, &[("example.org", "dot"), ("b.example.org", "own head")]).await?;
    etcd.delete(&route("*.example.org")).await?;
    etcd.delete(&route("*.example.com")).await?;
    all_say(&nginx, &[("b.example.org", "dot"), ("www.example.com", "tail")]).await
}

#[tokio::test]
async fn keys_that_nginx_would_refuse_are_rejected_by_name() -> Result<()> {
    let (nginx, etcd) = start("hostnames").await?;
    let bad = ["*.", "a.*.b", "*foo.com", "a..b", "www.*foo", "*"];
    for key in bad {
        etcd.put(route(key), "x").await?;
        let line = nginx.wait_for_log(&format!("key \"{}\" rejected", route(key))).await?;
        assert!(line.contains("not a host name or mask"), "{line}");
    }
    etcd.put(route("good"), "x").await?;
    all_say(&nginx, &[("good", "x"), ("a.b", ""), ("foo.com", "")]).await?;
    assert_eq!(shown_entries(&nginx).await?, 1);
    let long = "a".repeat(513);
    etcd.put(route(&long), "x").await?;
    nginx.wait_for_log("the key is too long: 513 bytes below the prefix").await?;
    etcd.delete_all(ROUTES).await?;
    eventually(SOON, "nothing is rejected any more", async || {
        let map = super::shown(&nginx).await?;
        ensure!(map.rejected.is_none() && map.entries == 0, "{map:?}");
        Ok(())
    })
    .await
}

async fn shown_entries(nginx: &Nginx) -> Result<usize> {
    Ok(super::shown(nginx).await?.entries)
}
