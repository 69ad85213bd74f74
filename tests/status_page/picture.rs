//! The picture of the page in the documentation.

use harness::*;
use serde_json::json;

use crate::{
    scene::{BEGIN, Scene},
    server::Server,
};

/// Where the documentation has it.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images/status-page.png");

/// A clone of the project has it, whoever reads it or not.
const LARGEST: usize = 200_000;

/// So many seconds of traffic are in the charts.
const SECONDS: u32 = 290;

#[tokio::test]
async fn picture_of_the_page_is_written_on_demand() -> Result<()> {
    let server = Server::start(Scene::usual(), true).await?;
    let browser = Browser::start().await?;
    let tab = browser.tab().await?;
    tab.resize(1_280, 1_040).await?;
    tab.prefer("light").await?;
    tab.open(&server.page()).await?;
    tab.until("document.querySelectorAll('table.peers tbody tr').length > 10").await?;
    // Time passes as fast as answers come.
    tab.call(
        "Emulation.setVirtualTimePolicy",
        json!({
            "policy": "pauseIfNetworkFetchesPending", "budget": SECONDS * 1_000,
            "initialVirtualTime": BEGIN,
        }),
    )
    .await?;
    eventually(SOON * 3, "the charts are full", async || {
        let time = server.scene().head.time;
        ensure!(time >= BEGIN + f64::from(SECONDS) - 5.0, "{time}");
        Ok(())
    })
    .await?;
    let complaints = tab.complaints();
    ensure!(complaints.is_empty(), "{complaints:#?}");
    let picture = tab.picture().await?;
    ensure!(picture.starts_with(b"\x89PNG"), "no picture");
    ensure!(picture.len() < LARGEST, "{} bytes", picture.len());
    if std::env::var_os("WRITE_SCREENSHOT").is_some_and(|value| value == "1") {
        std::fs::write(PATH, picture)?;
    }
    Ok(())
}
