//! nginx accepts each configuration that the documentation shows: as it stands, or inside the
//! blocks that it needs.
//!
//! A block whose info string is `nginx 1.29.6` is for that version of nginx and newer ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use harness::*;

/// Directives that stand in `upstream`.
const OF_UPSTREAM: [&str; 12] = [
    "etcd",
    "etcd_allow",
    "etcd_balance",
    "etcd_check",
    "etcd_defaults",
    "etcd_drain",
    "etcd_group",
    "etcd_keepalive",
    "etcd_select",
    "etcd_sticky",
    "keepalive",
    "sticky",
];

/// Directives that name a file which must be there.
const FILES: [&str; 7] = [
    "initial_file",
    "password_file",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_client_certificate",
    "ssl_trusted_certificate",
    "proxy_ssl_trusted_certificate",
];

/// nginx's own stream module, as a configuration names it.
const STREAM: &str = "modules/ngx_stream_module.so";

/// A block of a page.
struct Example {
    place: String,
    text: String,
    /// The nginx that it is for, if not any.
    version: Option<String>,
}

/// Where a piece of configuration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Main,
    Http,
    Upstream,
    Server,
    Location,
}

/// Its statements at the top: each with its name, and whether a block follows.
fn statements(text: &str) -> Vec<(String, bool)> {
    let (mut depth, mut words, mut statements) = (0, Vec::new(), Vec::new());
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default();
        if line.trim_start().starts_with('#') {
            continue;
        }
        for word in line.replace('{', " { ").replace('}', " } ").replace(';', " ; ").split(' ') {
            match word {
                "" => {}
                "{" | ";" if depth == 0 => {
                    let name = words.drain(..).next().unwrap_or_default();
                    statements.push((name, word == "{"));
                    depth += i32::from(word == "{");
                }
                "{" => depth += 1,
                "}" => depth -= 1,
                _ if depth == 0 => words.push(word.to_owned()),
                _ => {}
            }
        }
    }
    statements
}

fn level(text: &str) -> Level {
    let statements = statements(text);
    let has = |wanted: &[&str]| statements.iter().any(|(name, _)| wanted.contains(&name.as_str()));
    if has(&["load_module", "events", "http", "stream", "user"]) {
        Level::Main
    } else if statements.iter().any(|(name, is_block)| {
        let is_of_upstream = OF_UPSTREAM.contains(&name.as_str());
        is_of_upstream || (name == "server" && !is_block)
    }) {
        Level::Upstream
    } else if has(&["location", "listen"]) {
        Level::Server
    } else if statements.iter().all(|(name, _)| name.starts_with("proxy_") || name == "error_page")
    {
        Level::Location
    } else {
        Level::Http
    }
}

/// The pieces as a whole nginx.conf.
fn whole(pieces: &[&str]) -> Result<String> {
    if let [piece] = pieces
        && level(piece) == Level::Main
    {
        let mut text = if statements(piece).iter().any(|(name, _)| name == "events") {
            (*piece).to_owned()
        } else {
            format!("{piece}\nevents {{}}\n")
        };
        if !text.contains("load_module") {
            let has_stream = statements(piece).iter().any(|(name, _)| name == "stream");
            let stream =
                if has_stream { format!("load_module {STREAM};\n") } else { String::new() };
            text = format!("{stream}load_module {};\n{text}", etcd_module()?);
        }
        return Ok(text);
    }
    let (mut http, mut server) = (String::new(), String::new());
    for piece in pieces {
        match level(piece) {
            Level::Main => return Err("a whole configuration cannot be added to".into()),
            Level::Http => http += piece,
            Level::Upstream => {
                let first = if statements(piece).iter().any(|(name, _)| name == "etcd") {
                    ""
                } else {
                    "etcd main /p/;"
                };
                http += &format!("upstream of_example {{ {first}\n{piece}\n}}\n");
            }
            Level::Server => server += piece,
            Level::Location => server += &format!("location /example {{ {piece} }}\n"),
        }
    }
    let missing = missing_upstreams(&format!("{http}{server}"));
    let cluster = if http.contains("etcd_cluster main") {
        ""
    } else {
        "etcd_cluster main { endpoint http://127.0.0.1:2379; }"
    };
    Ok(format!(
        "load_module {};\nevents {{}}\nhttp {{\n{cluster}\n{missing}\n{http}\nserver {{\nlisten \
         8081;\n{server}\n}}\n}}\n",
        etcd_module()?
    ))
}

/// Upstreams that are named and not defined.
fn missing_upstreams(text: &str) -> String {
    let named: BTreeSet<&str> = text
        .split("proxy_pass http://")
        .skip(1)
        .filter_map(|rest| rest.split([';', '/']).next())
        .filter(|name| !name.contains(['.', ':', '$']))
        .collect();
    let missing = named.into_iter().filter(|name| !text.contains(&format!("upstream {name} {{")));
    missing.map(|name| format!("upstream {name} {{ server 127.0.0.1:1; }}\n")).collect()
}

/// The same with files and folders that are there.
fn with_files(text: &str) -> Result<String> {
    let mut result = String::new();
    let stream = match stream_kind()? {
        StreamKind::Dynamic(file) => format!("load_module {};\n", file.display()),
        StreamKind::Static | StreamKind::Absent => String::new(),
    };
    for line in text.lines() {
        if line.contains(STREAM) {
            result += &stream;
            continue;
        }
        let name = line.trim_start().split([' ', '=']).next().unwrap_or_default();
        let line = if FILES.contains(&name) && !line.contains(" data:") {
            format!("{name} nginx.conf;")
        } else if name == "user" && !line.contains("router") {
            String::new()
        } else {
            line.replace("/var/log/nginx/", "logs/")
                .replace("/run/nginx.pid", "logs/nginx.pid")
                .replace("state=/var/lib/nginx/", "state=logs/")
                .replace("modules/ngx_http_upstream_etcd_module.so", &etcd_module()?)
        };
        result += &line;
        result += "\n";
    }
    Ok(result)
}

fn pages() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort_unstable();
    Ok(pages)
}

fn examples(page: &Path) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    let mut open: Option<Example> = None;
    for (number, line) in std::fs::read_to_string(page)?.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let mut words = info.split(' ');
                let is_nginx = words.next() == Some("nginx");
                let place = format!("{}:{}", page.display(), number + 1);
                let version = words.next().map(str::to_owned);
                // Others are read as well, for their ends.
                let text = if is_nginx { "" } else { "other" }.to_owned();
                open = Some(Example { place, text, version });
            }
            (Some(_), Some(_)) => {
                examples.extend(open.take().filter(|example| !example.text.starts_with("other")));
            }
            (None, Some(example)) => {
                example.text += line;
                example.text += "\n";
            }
            (None, None) => {}
        }
    }
    Ok(examples)
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|number| number.parse().ok()).collect()
}

/// What nginx says of these pieces, if it does not accept them.
fn fault(pieces: &[&str]) -> Result<Option<String>> {
    let text = with_files(&whole(pieces)?)?;
    let output = Nginx::test(&Configuration::whole(&text))?;
    Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[tokio::test]
async fn each_configuration_in_the_documentation_is_accepted() -> Result<()> {
    let version = nginx_version()?;
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages()? {
        let examples = examples(&page)?;
        for (index, example) in examples.iter().enumerate() {
            if example.version.as_ref().is_some_and(|wanted| version[..] < numbers(wanted)[..]) {
                continue;
            }
            count += 1;
            let Some(fault_alone) = fault(&[&example.text])? else { continue };
            // It may go on from one before it on the same page.
            let mut goes_on = false;
            for earlier in examples[..index].iter().filter(|it| level(&it.text) != Level::Main) {
                goes_on |= level(&example.text) != Level::Main
                    && fault(&[&earlier.text, &example.text])?.is_none();
            }
            if !goes_on {
                wrong.push(format!("{}\n{}{fault_alone}", example.place, example.text));
            }
        }
    }
    assert!(count > 30, "only {count} examples");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_wrong_configuration_in_the_documentation_is_found() -> Result<()> {
    for wrong in ["etcd main;\n", "etcd_status;\n", "upstream app { etcd nobody /p/; }\n"] {
        assert!(fault(&[wrong])?.is_some(), "{wrong}");
    }
    for right in ["etcd main /p/;\n", "location = /etcd { etcd_status; }\n"] {
        assert_eq!(fault(&[right])?, None, "{right}");
    }
    Ok(())
}
