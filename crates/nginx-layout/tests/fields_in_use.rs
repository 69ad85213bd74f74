//! Whether `c/structures.h` names every field and bit-field of nginx's structures that `src/` uses.
//!
//! The test reads words, and no types but those that stand in the text: of arguments, variables and
//! patterns, of what is cast, and of fields that are in the list. What it cannot tell to be one of
//! nginx's structures it does not look at, unless no structure of the workspace has such a field.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use nginx_layout::{ALL, FIELDS};
use workspace_rules::{balanced, code_tokens};

/// Other names of structures.
const ALIASES: &[(&str, &str)] = &[("ngx_http_variable_value_t", "ngx_variable_value_t")];

/// Functions of the crate ngx that return a structure.
const RETURNS: &[(&str, &str)] = &[
    ("location_conf_mut", "ngx_http_core_loc_conf_t"),
    ("main_conf", "ngx_http_core_main_conf_t"),
];

/// Methods that return the structure that they are called for, or an iterator of such structures.
const TRANSPARENT: &[&str] =
    &["as_ref", "as_mut", "as_ptr", "cast_mut", "add", "iter", "filter", "copied"];

/// Words in front of an expression.
const KEYWORDS: &[&str] = &["if", "in", "match", "return", "move", "mut", "const", "else"];

/// Fields that are neither nginx's nor of a structure in this workspace: libc's, and the crate
/// ngx's.
const OTHERS: &[&str] = &[
    "dli_fname",
    "it_interval",
    "it_value",
    "sa_family",
    "sin6_addr",
    "sin6_port",
    "sin6_scope_id",
    "sin_addr",
    "sin_family",
    "sin_port",
    "s_addr",
    "s6_addr",
    "sun_path",
    "tcpi_last_data_recv",
    "tv_nsec",
    "tv_sec",
    "await",
];

/// What begins the names of structures that are compared elsewhere (`build.rs`), and fields that
/// only they have.
const COMPARED_ELSEWHERE: (&str, &[&str]) = ("(ngx_stream_", &["first_byte_time"]);

/// What is in the list.
struct Listed {
    /// `FIELD(ngx_…_t, NAME)` and `BIT(ngx_…_t, NAME)`, for any version of nginx.
    entries: BTreeSet<&'static str>,
    /// The structures that fields are or point to, by `ngx_…_t.NAME`; for this nginx.
    structures: BTreeMap<&'static str, String>,
}

impl Listed {
    fn new() -> Self {
        let structures =
            FIELDS.iter().filter_map(|(name, .., of_type)| Some((*name, structure(of_type())?)));
        Self { entries: ALL.iter().copied().collect(), structures: structures.collect() }
    }

    fn has_name(&self, name: &str) -> bool {
        let end = format!(", {name})");
        self.entries.iter().any(|entry| entry.ends_with(&end))
    }
}

/// The structure of nginx's in a type, by the name that `src/` has for it.
fn structure(of_type: &str) -> Option<String> {
    let at = of_type.find("ngx_")?;
    let name = of_type[at..].split(|next: char| !next.is_alphanumeric() && next != '_').next()?;
    let name = name.strip_suffix("_s").map_or_else(|| name.to_owned(), |bare| format!("{bare}_t"));
    Some(ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, of)| (*of).to_owned()))
}

fn is_structure(word: &str) -> bool {
    let is_number = ["ngx_int_t", "ngx_uint_t", "ngx_flag_t", "ngx_msec_t"].contains(&word);
    word.starts_with("ngx_") && word.ends_with("_t") && !is_number
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
}

/// A function, or what stands before the first one.
struct Reader<'a> {
    words: &'a [String],
    listed: &'a Listed,
    /// Variables that are a structure, or refer to one.
    variables: BTreeMap<String, String>,
    missing: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    fn word(&self, at: usize) -> &'a str {
        self.words.get(at).map_or("", String::as_str)
    }

    fn has(&self, at: usize, expected: &[&str]) -> bool {
        expected.iter().enumerate().all(|(index, word)| self.word(at + index) == *word)
    }

    fn read(&mut self) {
        // A variable may have its type from another one.
        for _ in 0..4 {
            for at in 0..self.words.len() {
                self.typed(at);
                self.bound(at);
                self.expression(at);
            }
        }
        for at in 0..self.words.len() {
            self.literal(at);
        }
    }

    /// `NAME: &mut ngx_…_t`.
    fn typed(&mut self, at: usize) {
        if !is_name(self.word(at)) || self.word(at + 1) != ":" {
            return;
        }
        let marks = ["&", "*", "mut", "const", "'", "a", "us", "static", "Option", "NonNull", "<"];
        let end = (at + 2..).find(|&at| !marks.contains(&self.word(at))).unwrap_or(at);
        if let Some(of) = Some(self.word(end)).filter(|word| is_structure(word)).and_then(structure)
        {
            self.variables.insert(self.word(at).to_owned(), of);
        }
    }

    /// `let NAME = EXPRESSION`, or `let Some(NAME)`.
    fn bound(&mut self, at: usize) {
        if self.word(at) != "let" {
            return;
        }
        let mut name = at + 1;
        while ["Some", "(", "mut"].contains(&self.word(name)) {
            name += 1;
        }
        let mut from = name + 1;
        while [")", "="].contains(&self.word(from)) {
            from += 1;
        }
        while ["unsafe", "{", "&", "mut", "raw", "const", "*"].contains(&self.word(from)) {
            from += 1;
        }
        let is_binding = (name + 1..from).any(|at| self.word(at) == "=");
        if !is_name(self.word(name)) || !is_binding {
            return;
        }
        if let Some((Some(of), _)) = self.expression(from) {
            self.variables.insert(self.word(name).to_owned(), of);
        }
    }

    /// Follows `NAME.FIELD.FIELD` or `(*NAME).FIELD` from here: what structure that is, and where
    /// it ends.
    fn expression(&mut self, at: usize) -> Option<(Option<String>, usize)> {
        let before = at.checked_sub(1).map_or("", |at| self.word(at));
        let (mut of, mut at) = if self.word(at) == "(" {
            // What stands in front is a function's name, unless it is a keyword.
            if is_name(before) && !KEYWORDS.contains(&before) {
                return None;
            }
            let mut from = at + 1;
            while ["*", "&", "mut", "raw", "const"].contains(&self.word(from)) {
                from += 1;
            }
            let (of, end) = self.expression(from)?;
            if self.word(end) != ")" {
                return None;
            }
            (of, end + 1)
        } else if self.has(at, &["NgxHttpCoreModule", "::"]) {
            let called = RETURNS.iter().find(|(name, _)| *name == self.word(at + 2))?;
            return Some((Some(called.1.to_owned()), at + 3));
        } else {
            let is_field = [".", "::"].contains(&before);
            let of = self.variables.get(self.word(at)).filter(|_| !is_field)?;
            (Some(of.clone()), at + 1)
        };
        loop {
            match self.word(at) {
                // The end of `unsafe { … }`.
                "?" => at += 1,
                "}" if self.word(at + 1) == "." => at += 1,
                "." if self.has(at + 2, &["::", "<"]) => {
                    // `cast::<T>()`, `as_slice::<T>()`
                    of = structure(self.word(at + 4)).filter(|_| is_structure(self.word(at + 4)));
                    at += 8;
                }
                "." if self.word(at + 2) == "(" => {
                    let end = at + 2 + balanced(&self.words[at + 2..], "(", ")");
                    self.called(of.as_deref()?, at + 1, end);
                    if !TRANSPARENT.contains(&self.word(at + 1)) {
                        return Some((None, end));
                    }
                    at = end;
                }
                "." => {
                    of = self.field(&of?, self.word(at + 1));
                    at += 2;
                }
                _ => return Some((of, at)),
            }
        }
    }

    /// A method is called for a structure: what accesses a bit-field, or what a closure gets.
    fn called(&mut self, of: &str, at: usize, end: usize) {
        let method = self.word(at);
        let is_compared = self.has(end, &["!", "=", "0"]) || self.has(end, &["=", "=", "0"]);
        let is_read = is_compared && end == at + 3;
        let bit = method.strip_prefix("set_").or(is_read.then_some(method));
        if let Some(bit) = bit {
            self.used(format!("BIT({of}, {bit})"));
        }
        for inside in at..end {
            if self.word(inside) == "|" && self.word(inside + 2) == "|" {
                let name = self.word(inside + 1);
                if is_name(name) {
                    self.variables.insert(name.to_owned(), of.to_owned());
                }
            }
        }
    }

    /// A field of a structure is used: the structure that the field is.
    fn field(&mut self, of: &str, name: &str) -> Option<String> {
        let name = name.trim_end_matches('_');
        self.used(format!("FIELD({of}, {name})"));
        self.listed.structures.get(format!("{of}.{name}").as_str()).cloned()
    }

    fn used(&mut self, entry: String) {
        if !self.listed.entries.contains(entry.as_str()) {
            self.missing.insert(entry);
        }
    }

    /// `ngx_…_t { NAME: …, NAME, .. }`, a value or a pattern.
    fn literal(&mut self, at: usize) {
        let before = |back| at.checked_sub(back).map_or("", |at| self.word(at));
        // Behind an arrow, a reference, and its lifetime.
        let is_result = before(1) == ">"
            || (before(1) == "&" && before(2) == ">")
            || (before(2) == "&" && before(3) == ">");
        if !is_structure(self.word(at))
            || self.word(at + 1) != "{"
            || is_result
            || ["for", "mut", "const", "static"].contains(&before(1))
        {
            return;
        }
        let of = structure(self.word(at)).unwrap_or_default();
        let end = at + 1 + balanced(&self.words[at + 1..], "{", "}");
        let mut depth = 0;
        for inside in at + 1..end {
            match self.word(inside) {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            let begins = depth == 1 && ["{", ","].contains(&self.word(inside));
            if begins && is_name(self.word(inside + 1)) {
                self.field(&of, self.word(inside + 1));
            }
        }
    }
}

/// What a source uses that is not in the list.
fn missing(text: &str, listed: &Listed) -> BTreeSet<String> {
    let words = code_tokens(text);
    let begins = |at: &usize| words[*at] == "fn" && words.get(at + 1).is_some_and(|w| is_name(w));
    let mut starts: Vec<usize> = (0..words.len()).filter(begins).collect();
    starts.insert(0, 0);
    starts.push(words.len());
    let mut missing = BTreeSet::new();
    for bounds in starts.windows(2) {
        let words = &words[bounds[0]..bounds[1]];
        let variables = BTreeMap::new();
        let mut reader = Reader { words, listed, variables, missing: BTreeSet::new() };
        reader.read();
        missing.append(&mut reader.missing);
    }
    missing
}

/// The fields that structures of a source declare: whatever stands before a colon.
fn declared(words: &[String]) -> impl Iterator<Item = &String> {
    words.windows(2).filter(|pair| pair[1] == ":" && is_name(&pair[0])).map(|pair| &pair[0])
}

/// The fields that a source uses, of whatever.
fn used(words: &[String]) -> impl Iterator<Item = &String> {
    words
        .windows(4)
        .filter(|words| words[0] != "." && words[1] == "." && is_name(&words[2]))
        .filter(|words| words[3] != "(" && words[3] != "::")
        .map(|words| &words[2])
}

fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a text");
            found.push((path, text));
        }
    }
}

fn sources_of(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder), &mut found);
    found
}

#[test]
fn every_field_in_use_is_in_the_list() {
    let listed = Listed::new();
    let mut wrong = Vec::new();
    for (path, text) in sources_of("src") {
        let missing = missing(&text, &listed);
        let missing = missing.into_iter().filter(|entry| !entry.contains(COMPARED_ELSEWHERE.0));
        wrong.extend(missing.map(|entry| format!("{}: {entry}", path.display())));
    }
    assert!(wrong.is_empty(), "missing in c/structures.h:\n{}", wrong.join("\n"));
}

#[test]
fn a_field_that_nobody_declares_is_in_the_list() {
    let listed = Listed::new();
    let sources: Vec<_> =
        sources_of("src").into_iter().map(|(_, text)| code_tokens(&text)).collect();
    let crates: Vec<_> =
        sources_of("crates").into_iter().map(|(_, text)| code_tokens(&text)).collect();
    let ours: BTreeSet<&String> =
        sources.iter().chain(&crates).flat_map(|words| declared(words)).collect();
    let unknown: BTreeSet<&String> = sources
        .iter()
        .flat_map(|words| used(words))
        .filter(|name| !ours.contains(name) && !listed.has_name(name.trim_end_matches('_')))
        .filter(|name| !OTHERS.contains(&name.as_str()))
        .filter(|name| !COMPARED_ELSEWHERE.1.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "in no structure of c/structures.h: {unknown:?}");
}

#[test]
fn what_is_missing_is_found() {
    let listed = Listed::new();
    for (planted, expected) in [
        ("fn f(a: &ngx_event_t) { a.nothing; }", "FIELD(ngx_event_t, nothing)"),
        ("fn f(a: *mut ngx_event_t) { (*a).nothing = 1; }", "FIELD(ngx_event_t, nothing)"),
        ("fn f(a: *mut ngx_event_t) { (*a).set_nothing(1); }", "BIT(ngx_event_t, nothing)"),
        ("fn f(a: &ngx_event_t) { if a.nothing() != 0 {} }", "BIT(ngx_event_t, nothing)"),
        ("fn f(a: &ngx_connection_t) { (*a.read).nothing; }", "FIELD(ngx_event_t, nothing)"),
        (
            "fn f(a: *mut ngx_connection_t) { let b = unsafe { &mut *(*a).read }; b.nothing; }",
            "FIELD(ngx_event_t, nothing)",
        ),
        (
            "fn f(a: *mut ngx_event_t) { (*(*a).data.cast::<ngx_connection_t>()).nothing; }",
            "FIELD(ngx_connection_t, nothing)",
        ),
        (
            "fn f(a: &ngx_conf_t) { unsafe { a.conf_file.as_ref() }.map(|b| b.file.nothing); }",
            "FIELD(ngx_file_t, nothing)",
        ),
        ("fn f() { let a = ngx_str_t { len: g(b, c), nothing: 1 }; }", "FIELD(ngx_str_t, nothing)"),
        (
            "fn f() { let Some(a) = NgxHttpCoreModule::main_conf(cf) else { g() }; a.nothing; }",
            "FIELD(ngx_http_core_main_conf_t, nothing)",
        ),
    ] {
        let missing = missing(planted, &listed);
        assert_eq!(missing, BTreeSet::from([expected.to_owned()]), "{planted}");
    }
    let others = "fn f(a: &ngx_event_t, b: &Other) { a.log; b.nothing; a.log.nothing(); }";
    assert_eq!(missing(others, &listed), BTreeSet::new());
}
