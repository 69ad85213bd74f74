//! The page of `etcd_status` in a real Chromium. `scripts/test-page.sh` runs these tests.

mod access;
mod fleet;
mod hostile;
mod live;
mod opened;
mod picture;
mod reached;
mod scene;
mod server;
mod stream;
mod table;

use harness::{Browser, Result, Tab, ensure};

use crate::{scene::Scene, server::Server};

/// An expression: whether the script shows its tables.
const TAKEN: &str = "document.documentElement.classList.contains('taken')";

/// A scene on a page that the script has taken over.
struct Setting {
    // Dropped in this order: the tab is the browser's.
    tab: Tab,
    browser: Browser,
    server: Server,
}

impl Setting {
    /// The scene as it is; with `advances`, a second passes with each answer.
    async fn of(scene: Scene, advances: bool) -> Result<Self> {
        let server = Server::start(scene, advances).await?;
        let browser = Browser::start().await?;
        let tab = browser.tab().await?;
        tab.open(&server.page()).await?;
        tab.until(TAKEN).await?;
        Ok(Self { tab, browser, server })
    }

    /// The same without a script.
    async fn without_script(scene: Scene) -> Result<Self> {
        let server = Server::start(scene, false).await?;
        let browser = Browser::start().await?;
        let tab = browser.tab().await?;
        tab.disable_scripts().await?;
        tab.open(&server.page()).await?;
        Ok(Self { tab, browser, server })
    }

    /// Fails if the console has an error, or something was requested from elsewhere.
    fn check(&self) -> Result<()> {
        let complaints = self.tab.complaints();
        ensure!(complaints.is_empty(), "{complaints:#?}");
        let page = self.server.page();
        let own = page.split('?').next().unwrap_or_default();
        for url in self.tab.requests() {
            ensure!(url.split('?').next() == Some(own), "a request to {url}");
        }
        Ok(())
    }
}

/// A text as a literal of the script's language.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
