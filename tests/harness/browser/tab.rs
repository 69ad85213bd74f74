//! A tab of the browser.

use serde_json::{Value, json};

use super::connection::Connection;
use crate::{Result, SOON, ensure, eventually};

/// A tab.
#[derive(Debug)]
pub struct Tab {
    connection: Connection,
}

impl Tab {
    pub(super) async fn of(connection: Connection) -> Result<Self> {
        for domain in ["Page", "Runtime", "Log", "Network"] {
            connection.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(Self { connection })
    }

    /// Calls a method of the protocol.
    ///
    /// # Errors
    ///
    /// Those of the protocol.
    pub async fn call(&self, method: &str, parameters: Value) -> Result<Value> {
        self.connection.call(method, parameters).await
    }

    /// Opens an address, and waits until the page has been loaded.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        let before = self.connection.events("Page.loadEventFired").len();
        let answer = self.call("Page.navigate", json!({ "url": url })).await?;
        ensure!(answer["errorText"].is_null(), "{url}: {}", answer["errorText"]);
        eventually(SOON * 3, &format!("{url} is loaded"), async || {
            let loaded = self.connection.events("Page.loadEventFired").len();
            ensure!(loaded > before, "it loads");
            Ok(())
        })
        .await
    }

    /// The value of an expression, or of its promise.
    ///
    /// # Errors
    ///
    /// What it throws.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        let parameters =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", parameters).await?;
        let thrown = &answer["exceptionDetails"];
        ensure!(
            thrown.is_null(),
            "{expression}: {}",
            thrown["exception"]["description"].as_str().unwrap_or("an exception")
        );
        Ok(answer["result"]["value"].take())
    }

    /// The value of an expression as a text.
    ///
    /// # Errors
    ///
    /// What it throws, and another type.
    pub async fn text(&self, expression: &str) -> Result<String> {
        let value = self.evaluate(expression).await?;
        Ok(value.as_str().ok_or_else(|| format!("{expression}: {value}"))?.to_owned())
    }

    /// The value of an expression as a number.
    ///
    /// # Errors
    ///
    /// What it throws, and another type.
    pub async fn number(&self, expression: &str) -> Result<f64> {
        let value = self.evaluate(expression).await?;
        value.as_f64().ok_or_else(|| format!("{expression}: {value}").into())
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    ///
    /// If it does not become true soon.
    pub async fn until(&self, expression: &str) -> Result<()> {
        eventually(SOON, expression, async || {
            let value = self.evaluate(expression).await?;
            ensure!(value == Value::Bool(true), "{value}");
            Ok(())
        })
        .await
    }

    /// Lets no script of pages run that are opened from now on.
    ///
    /// # Errors
    ///
    /// Those of the protocol.
    pub async fn disable_scripts(&self) -> Result<()> {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await?;
        Ok(())
    }

    /// Lets scripts run again.
    ///
    /// # Errors
    ///
    /// Those of the protocol.
    pub async fn enable_scripts(&self) -> Result<()> {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await?;
        Ok(())
    }

    /// Presses a key, as at a keyboard.
    ///
    /// # Errors
    ///
    /// Those of the protocol.
    pub async fn press(&self, key: &str) -> Result<()> {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowDown" => 40,
            "ArrowUp" => 38,
            "PageDown" => 34,
            "End" => 35,
            _ => return Err(format!("no such key: {key}").into()),
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({
                "type": kind, "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": code,
            });
            self.call("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Shows pages at this width and height.
    ///
    /// # Errors
    ///
    /// Those of the protocol.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await?;
        Ok(())
    }

    /// Prefers a color scheme: `light` or `dark`.
    ///
    /// # Errors
    ///
    /// Those of the protocol.
    pub async fn prefer(&self, scheme: &str) -> Result<()> {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        Ok(())
    }

    /// A picture of what is seen, as PNG.
    ///
    /// # Errors
    ///
    /// Those of the protocol.
    pub async fn picture(&self) -> Result<Vec<u8>> {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" })).await?;
        Ok(from_base64(answer["data"].as_str().ok_or("no picture")?))
    }

    /// The addresses that have been requested so far.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.connection.events("Network.requestWillBeSent");
        sent.iter().filter_map(|event| Some(event["request"]["url"].as_str()?.to_owned())).collect()
    }

    /// What the console has of errors and warnings: exceptions, violations of the policy, requests
    /// that failed.
    pub fn complaints(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for event in self.connection.events("Log.entryAdded") {
            let entry = &event["entry"];
            if entry["level"] == "error" || entry["level"] == "warning" {
                found.push(format!("{}: {}", entry["text"], entry["url"]));
            }
        }
        for event in self.connection.events("Runtime.exceptionThrown") {
            found.push(event["exceptionDetails"].to_string());
        }
        for event in self.connection.events("Runtime.consoleAPICalled") {
            if event["type"] == "error" || event["type"] == "warning" || event["type"] == "assert" {
                found.push(event["args"].to_string());
            }
        }
        found
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            // Padding.
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
