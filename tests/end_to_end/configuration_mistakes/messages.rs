//! Each message about a mistake in the configuration, word by word: `messages.txt`.

use harness::*;

use super::{at_top, in_cluster, in_upstream};

const MESSAGES: &str = include_str!("messages.txt");

#[tokio::test]
async fn each_message_about_a_mistake_is_the_one_that_is_listed() -> Result<()> {
    let lines: Vec<_> =
        MESSAGES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() > 100 && lines.len().is_multiple_of(2), "{} lines", lines.len());
    let mut wrong = Vec::new();
    for case in lines.chunks(2) {
        let (mistake, expected) = (case[0], case[1]);
        let (block, directives) = mistake.split_once(':').ok_or(mistake)?;
        let refused = match block {
            "upstream" => in_upstream(directives, &[]),
            "etcd_cluster" => in_cluster(directives, &[]),
            "http" => at_top(directives, &[]),
            _ => return Err(mistake.into()),
        };
        let output = Nginx::test(&Configuration::new().http(&refused.http))?;
        let message = last_message(&String::from_utf8_lossy(&output.stderr));
        if message.as_deref() != Some(expected) {
            wrong.push(format!("{mistake}\n  expected {expected}\n  but got  {message:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
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
