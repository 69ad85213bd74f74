//! Each message about a mistake in the configuration, word by word: `messages.txt`.

use harness::*;

use super::{CLUSTER, at_top, in_cluster, in_upstream};

const MESSAGES: &str = include_str!("messages.txt");

#[tokio::test]
async fn each_message_about_a_mistake_is_the_one_that_is_listed() -> Result<()> {
    let lines: Vec<_> =
        MESSAGES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() > 200 && lines.len().is_multiple_of(2), "{} lines", lines.len());
    let version = nginx_version()?;
    let mut wrong = Vec::new();
    for case in lines.chunks(2) {
        let (mistake, expected) = (case[0], case[1]);
        let (block, directives) = mistake.split_once(':').ok_or(mistake)?;
        let (block, versions) = block.split_once(' ').unwrap_or((block, "1.0.0"));
        let (is_before, wanted) = match versions.strip_prefix('<') {
            Some(wanted) => (true, wanted),
            None => (false, versions),
        };
        let wanted: Vec<u32> = wanted.split('.').map(str::parse).collect::<Result<_, _>>()?;
        if (version[..] < wanted[..]) != is_before {
            continue;
        }
        let new = Configuration::new();
        let configuration = match block {
            "upstream" => new.http(&in_upstream(directives, &[]).http),
            "etcd_cluster" => new.http(&in_cluster(directives, &[]).http),
            "http" => new.http(&at_top(directives, &[]).http),
            "stream" => new.http(&at_top("", &[]).http).main(CLUSTER).stream(directives),
            "stream-upstream" => new
                .http(&at_top("", &[]).http)
                .main(CLUSTER)
                .stream(&format!("upstream sessions {{ {directives} }}")),
            "main" => new.main(directives).http(&at_top("", &[]).http),
            "location" => new
                .http(&in_upstream("etcd main /p/;", &[]).http)
                .server(&format!("location /x {{ {directives} }}")),
            _ => return Err(mistake.into()),
        };
        let output = Nginx::test(&configuration)?;
        let printed = String::from_utf8_lossy(&output.stderr);
        let (message, count) = (last_message(&printed), printed.matches("[emerg]").count());
        if message.as_deref() != Some(expected) || count != 1 {
            wrong.push(format!(
                "{mistake}\n  expected {expected}\n  but got  {message:?}, {count} \
                                times"
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// The lines of the file that the errors of `nginx -t` name.
fn places(http: &str) -> Result<Vec<u32>> {
    let output = Nginx::test(&Configuration::new().http(http))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    let errors = printed.lines().filter(|line| line.contains("[emerg]"));
    let places = errors.filter_map(|line| {
        let (_, place) = line.split_once("nginx.conf:")?;
        place.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
    });
    Ok(places.collect())
}

#[tokio::test]
async fn a_mistake_is_at_the_place_of_its_directive() -> Result<()> {
    let block = |etcd: &str, others: &str| {
        format!("{CLUSTER} upstream {UPSTREAM} {{\n{etcd}\n{others}\n}}")
    };
    let [line] = places(&block("etcd nowhere /p/;", ""))?[..] else {
        return Err("not one error".into());
    };
    for (etcd, others, expected) in [
        ("etcd main /p/;", "etcd_defaults max_conns=$a;\netcd_drain timeout=$b;", vec![1, 2]),
        ("etcd main /p/;", "\netcd_drain spread=$a;", vec![2]),
        ("etcd main /p/;", "etcd_drain on=check;", vec![1]),
        ("etcd main /p/;", "\n\netcd_keepalive 8; keepalive_requests 5;", vec![3]),
        ("etcd main /p/ hold=0 expiry_guard=9%;", "etcd_drain;", vec![0]),
    ] {
        let expected: Vec<u32> = expected.into_iter().map(|behind| line + behind).collect();
        assert_eq!(places(&block(etcd, others))?, expected, "{etcd} {others}");
    }
    Ok(())
}

/// The last error that `nginx -t` has printed, without the folder of its files, the numbers of
/// lines and nginx's process.
fn last_message(printed: &str) -> Option<String> {
    let (_, message) = printed.lines().rev().find_map(|line| line.split_once("[emerg] "))?;
    let message = match message.split_once(": ") {
        Some((process, message)) if process.contains('#') => message,
        _ => message,
    };
    let file = message.split(' ').find(|word| word.contains("/nginx.conf:"));
    let folder = file.and_then(|file| file.rsplit_once('/')).map_or("", |(folder, _)| folder);
    let message = message.replace(&format!("{folder}/"), "");
    let words = message.split(' ').map(|word| match word.split_once("nginx.conf:") {
        Some((_, line)) => {
            format!("nginx.conf{}", line.trim_start_matches(|digit: char| digit.is_ascii_digit()))
        }
        None => word.to_owned(),
    });
    Some(words.collect::<Vec<_>>().join(" "))
}
