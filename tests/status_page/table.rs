//! The table of peers: sorted, filtered, and one of them in full.

use harness::*;

use crate::{Setting, scene::Scene};

const KEYS: &str = "[...document.querySelectorAll('table.peers tbody th')]\
                    .map((one) => one.textContent).join(' ')";

/// Clicks a heading.
fn heading(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('table.peers thead button')]\
         .find((one) => one.textContent === '{name}').click()"
    )
}

fn sorted_by(name: &str, order: &str) -> String {
    format!(
        "document.querySelectorAll('th[aria-sort]').length === 1 && \
         document.querySelector('th[aria-sort={order}]')?.textContent === '{name}'"
    )
}

#[tokio::test]
async fn peers_are_sorted_by_each_column() -> Result<()> {
    let setting = Setting::of(Scene::usual(), false).await?;
    let tab = &setting.tab;
    let unsorted = tab.text(KEYS).await?;
    assert!(unsorted.starts_with("node-1 node-2 node-3 "), "{unsorted}");
    tab.evaluate(&heading("Failed")).await?;
    tab.until(&sorted_by("Failed", "descending")).await?;
    let keys = tab.text(KEYS).await?;
    assert!(keys.starts_with("node-3 node-2 node-5 node-8 "), "{keys}");
    tab.evaluate(&heading("Failed")).await?;
    tab.until(&sorted_by("Failed", "ascending")).await?;
    assert!(tab.text(KEYS).await?.ends_with(" node-3"), "{}", tab.text(KEYS).await?);
    tab.evaluate(&heading("Failed")).await?;
    assert_eq!(tab.text(KEYS).await?, unsorted);
    tab.evaluate(&heading("State")).await?;
    tab.until(&sorted_by("State", "ascending")).await?;
    assert!(tab.text(KEYS).await?.ends_with(" node-3 node-9"), "{}", tab.text(KEYS).await?);
    tab.evaluate(&heading("Peer")).await?;
    assert!(tab.text(KEYS).await?.starts_with("node-1 node-10 node-11 "));
    // A list that comes is sorted as well.
    setting.server.scene().upstreams[0].1.remove(0);
    setting.server.scene().upstreams[0].0.generation += 1;
    tab.until(&format!("{KEYS}.startsWith('node-10 node-11 ')")).await?;
    setting.check()
}

#[tokio::test]
async fn peers_are_filtered_by_text_and_state() -> Result<()> {
    let setting = Setting::of(Scene::usual(), false).await?;
    let tab = &setting.tab;
    let search = |text: &str| {
        format!(
            "(() => {{ const search = document.querySelector('input[type=search]'); \
             search.value = '{text}'; search.dispatchEvent(new Event('input')); }})()"
        )
    };
    for (text, keys) in [
        ("NODE-1", "node-1 node-10 node-11 node-12 node-13 node-14"),
        ("0.0.21", "node-11"),
        ("rack=b4 node-7", "node-7"),
        ("refused", "node-3"),
    ] {
        tab.evaluate(&search(text)).await?;
        assert_eq!(tab.text(KEYS).await?, keys, "{text}");
    }
    tab.until("document.querySelector('.found').textContent === '1 of 14 shown'").await?;
    tab.evaluate(&search("no such peer")).await?;
    tab.until("document.body.innerText.includes('No peer is like this.')").await?;
    tab.evaluate(&search("")).await?;
    let state = |name: &str| format!("document.querySelector('.states .{name}').click()");
    tab.evaluate(&state("drain")).await?;
    assert_eq!(tab.text(KEYS).await?, "node-9");
    tab.until("document.querySelector('.states .drain').ariaPressed === 'true'").await?;
    tab.evaluate(&state("unhealthy")).await?;
    assert_eq!(tab.text(KEYS).await?, "node-3 node-9");
    tab.evaluate(&state("drain")).await?;
    tab.evaluate(&state("unhealthy")).await?;
    assert_eq!(tab.number("document.querySelectorAll('table.peers tbody th').length").await?, 14.0);
    setting.check()
}

#[tokio::test]
async fn a_peer_is_shown_in_full_by_keyboard() -> Result<()> {
    let setting = Setting::of(Scene::usual(), true).await?;
    let tab = &setting.tab;
    // From the first heading of the table through the others to the first peer.
    tab.evaluate("document.querySelector('table.peers thead button').focus()").await?;
    for _ in 0..14 {
        tab.press("Tab").await?;
    }
    tab.until("document.activeElement.textContent === 'node-1'").await?;
    for _ in 0..2 {
        tab.press("ArrowDown").await?;
    }
    tab.until("document.activeElement.textContent === 'node-3'").await?;
    tab.press("Enter").await?;
    tab.until("document.querySelector('dialog').open").await?;
    let text = tab.text("document.querySelector('dialog').innerText").await?;
    for part in ["node-3", "unhealthy for 5 min", "9,120 made, 64 failed", "b4", "weight=1"] {
        ensure!(text.contains(part), "{part} is missing in {text}");
    }
    // It goes on.
    setting.server.scene().upstreams[0].1[2].connections = 77;
    tab.until("document.querySelector('dialog').innerText.includes('77 open')").await?;
    tab.press("Escape").await?;
    tab.until("!document.querySelector('dialog').open").await?;
    tab.until("document.activeElement.textContent === 'node-3'").await?;
    setting.check()
}

#[tokio::test]
async fn focus_follows_its_peer_in_a_live_order() -> Result<()> {
    let setting = Setting::of(Scene::fleet(200), false).await?;
    let tab = &setting.tab;
    tab.evaluate(
        "[...document.querySelectorAll('table.peers .name')]\
         .find((one) => one.textContent === 'node-14').focus()",
    )
    .await?;
    tab.evaluate(&heading("Open")).await?;
    tab.until("document.activeElement.textContent === 'node-14'").await?;
    // It becomes the first one, then the last, far below.
    for (connections, row) in [(5_000, 2), (0, 201)] {
        {
            let mut scene = setting.server.scene();
            scene.upstreams[0].1[13].connections = connections;
            scene.upstreams[0].0.generation += 1;
        }
        tab.until(&format!(
            "document.activeElement.textContent === 'node-14' && \
             document.activeElement.closest('tr').ariaRowIndex === '{row}'"
        ))
        .await?;
    }
    setting.check()
}
