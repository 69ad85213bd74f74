//! Joins the files of the page's style and of its script, each of which has one purpose, and makes
//! the hashes by which the page's policy allows them.

use std::{env, error::Error, fs, path::Path};

use sha2::{Digest, Sha256};

const STYLE: [&str; 5] = ["colors.css", "page.css", "tables.css", "marks.css", "charts.css"];

/// In the order in which they need each other.
const SCRIPT: [&str; 15] = [
    "dom.js",
    "format.js",
    "words.js",
    "source.js",
    "figures.js",
    "charts.js",
    "sentence.js",
    "columns.js",
    "peers.js",
    "details.js",
    "sections.js",
    "upstream.js",
    "page.js",
    "clock.js",
    "main.js",
];

/// The characters that cannot be seen, or change how others are shown: ranges, each with a name.
const HIDDEN: &str = "assets/hidden.txt";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=assets");
    let hidden = hidden()?;
    let style = format!("\n{}", joined("style", &STYLE)?);
    // Nothing of it is seen from outside.
    let (pattern, script) = (pattern(&hidden), joined("script", &SCRIPT)?);
    let script = format!("\n\"use strict\";\n(() => {{\n{pattern}{script}}})();\n");
    for (name, text) in [("style", style), ("script", script)] {
        if text.to_ascii_lowercase().contains("</") {
            return Err(format!("assets/{name} has what could end its element: </").into());
        }
        let out = env::var("OUT_DIR")?;
        fs::write(Path::new(&out).join(name), &text)?;
        let hash = format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())));
        println!("cargo::rustc-env=STATUS_PAGE_{}_HASH={hash}", name.to_ascii_uppercase());
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("hidden"), format!("&{hidden:?}"))?;
    Ok(())
}

fn hidden() -> Result<Vec<(u32, u32)>, Box<dyn Error>> {
    let mut ranges = Vec::new();
    for line in fs::read_to_string(HIDDEN)?.lines() {
        let range = line.split(' ').next().unwrap_or_default();
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        ranges.push((u32::from_str_radix(first, 16)?, u32::from_str_radix(last, 16)?));
    }
    Ok(ranges)
}

/// The same for the script.
fn pattern(ranges: &[(u32, u32)]) -> String {
    let ranges = ranges.iter().map(|(first, last)| format!("\\u{{{first:x}}}-\\u{{{last:x}}}"));
    format!("const HIDDEN = /[{}]/gu;\n", ranges.collect::<String>())
}

fn joined(folder: &str, files: &[&str]) -> Result<String, Box<dyn Error>> {
    let folder = Path::new("assets").join(folder);
    let found = fs::read_dir(&folder)?.count();
    if found != files.len() {
        return Err(
            format!("{} has {found} files, {} are named", folder.display(), files.len()).into()
        );
    }
    let mut text = String::new();
    for file in files {
        text.push_str(&fs::read_to_string(folder.join(file))?);
    }
    Ok(text)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            let is_padding = digit > chunk.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS[value as usize]) });
        }
    }
    text
}
