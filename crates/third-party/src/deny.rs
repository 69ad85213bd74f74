//! What this workspace needs of `deny.toml`, the configuration of `cargo deny`: not all of TOML,
//! but one item a line, as the file has it.

/// The lists of `deny.toml`.
#[derive(Debug, PartialEq, Eq)]
pub struct Deny {
    /// The licenses that are allowed.
    pub licenses: Vec<String>,
    /// Names and versions of crates that may be there although there is a newer one.
    pub duplicates: Vec<(String, String)>,
}

impl Deny {
    /// Reads the text of the file.
    pub fn parse(text: &str) -> Self {
        let licenses = list(text, "allow").filter_map(|line| quoted(line).next()).collect();
        let crates = list(text, "skip").filter_map(|line| {
            let mut words = quoted(line);
            Some((words.next()?, words.next()?))
        });
        Self { licenses, duplicates: crates.collect() }
    }

    /// Whether a crate may be there in this version although there is a newer one. A version in
    /// the file may be only the beginning of one: `0.9` is for 0.9.5.
    pub fn allows_duplicate(&self, name: &str, version: &str) -> bool {
        self.duplicates.iter().any(|duplicate| is_of(duplicate, name, version))
    }
}

/// Whether this entry of the file is for this crate.
fn is_of(entry: &(String, String), name: &str, version: &str) -> bool {
    let wanted = entry.1.trim_start_matches('=');
    entry.0 == name
        && version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The lines between `NAME = [` and `]`.
fn list<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let start = format!("{name} = [");
    let lines = text.lines().skip_while(move |line| !line.starts_with(&start)).skip(1);
    lines.take_while(|line| !line.starts_with(']')).map(|line| match line.split_once('#') {
        Some((code, _)) => code,
        None => line,
    })
}

/// What is between quotation marks.
fn quoted(line: &str) -> impl Iterator<Item = String> {
    line.split('"').skip(1).step_by(2).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_without_comments() {
        let text = "[licenses]\nallow = [\n    \"MIT\", # \"GPL\"\n\
                    # \"GPL\"\n    \"A WITH B\",\n]\n\
                    [bans]\nskip = [\n    { name = \"rand\", version = \"=0.9\" },\n]\nother = [\n\
                    \"x\",\n]\n";
        let deny = Deny::parse(text);
        assert_eq!(deny.licenses, ["MIT", "A WITH B"]);
        assert_eq!(deny.duplicates, [("rand".to_owned(), "=0.9".to_owned())]);
    }

    #[test]
    fn duplicates_are_those_of_the_named_version() {
        let entry = ("rand".to_owned(), "=0.9".to_owned());
        let deny = Deny { licenses: Vec::new(), duplicates: vec![entry] };
        assert!(deny.allows_duplicate("rand", "0.9.5"));
        assert!(deny.allows_duplicate("rand", "0.9"));
        assert!(!deny.allows_duplicate("rand", "0.91.0"));
        assert!(!deny.allows_duplicate("rand", "0.8.0"));
        assert!(!deny.allows_duplicate("rand_core", "0.9.5"));
    }
}
