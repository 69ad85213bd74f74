//! The file with the licenses of all crates that are contained in what is shipped.

use std::{collections::BTreeMap, fmt::Write as _, io};

use crate::Crate;

const HEAD: &str = "\
The nginx module and the program of firehose-router contain code of the crates below. Their sources
are at https://crates.io/crates/NAME/VERSION. The texts of their licenses and their notices follow
the list. A text that several crates have is written once.
";

/// The report about these crates. A crate without a text has that of another crate of the same
/// repository; it is an error if there is none.
pub fn report(crates: &[&Crate]) -> io::Result<String> {
    let mut of_repository: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut texts = Vec::new();
    for found in crates {
        let own = found.texts()?;
        if let Some(repository) = &found.repository
            && !own.is_empty()
        {
            of_repository.entry(repository).or_insert_with(|| own.clone());
        }
        texts.push(own);
    }

    let mut list = String::new();
    let mut users: Vec<(String, Vec<String>)> = Vec::new();
    for (found, own) in crates.iter().zip(texts) {
        let name = format!("{} {}", found.name, found.version);
        let license = found.license.as_deref().unwrap_or("see its text");
        writeln!(list, "{name}: {license}").expect("a string takes every text");
        let shared = || found.repository.as_deref().and_then(|place| of_repository.get(place));
        let own = if own.is_empty() { shared().cloned().unwrap_or_default() } else { own };
        if own.is_empty() {
            return Err(io::Error::other(format!("{name} has no text of its license")));
        }
        for text in own {
            match users.iter_mut().find(|(known, _)| *known == text) {
                Some((_, names)) => names.push(name.clone()),
                None => users.push((text, vec![name.clone()])),
            }
        }
    }

    let rule = "=".repeat(80);
    let mut report = format!("{HEAD}\n{list}");
    for (text, names) in users {
        write!(report, "\n{rule}\n{}\n{rule}\n\n{text}\n", names.join(", "))
            .expect("a string takes every text");
    }
    Ok(report)
}
