//! A source as tokens: words, strings and punctuation, without comments.

/// Words that begin an item or a statement. Commas do not end these; they end a field, a variant
/// or an argument.
const KEYWORDS: &[&str] = &[
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "unsafe",
    "use",
];

/// The tokens of a source without what is for tests only.
pub fn code_tokens(source: &str) -> Vec<String> {
    without_tests(tokens(source))
}

/// The tokens of a source: identifiers, `::`, strings in double quotes, and single characters of
/// punctuation.
pub(crate) fn tokens(source: &str) -> Vec<String> {
    let text: Vec<char> = source.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        at += match rest {
            ['/', '/', ..] => rest.iter().take_while(|&&next| next != '\n').count(),
            ['/', '*', ..] => block_comment(rest),
            ['r', '"' | '#', ..] if raw_string(rest) > 0 => {
                let length = raw_string(rest);
                tokens.push(literal(&rest[1..length]));
                length
            }
            ['b' | 'c', 'r', '"' | '#', ..] if raw_string(&rest[1..]) > 0 => {
                1 + raw_string(&rest[1..])
            }
            ['"', ..] => {
                let length = string(rest);
                tokens.push(literal(&rest[..length]));
                length
            }
            ['\'', ..] => character(rest),
            [first, ..] if first.is_alphanumeric() || *first == '_' => {
                let is_word = |next: &&char| next.is_alphanumeric() || **next == '_';
                let word: String = rest.iter().take_while(is_word).collect();
                let length = word.chars().count();
                tokens.push(word);
                length
            }
            [':', ':', ..] => {
                tokens.push("::".to_owned());
                2
            }
            [first, ..] => {
                if !first.is_whitespace() {
                    tokens.push(first.to_string());
                }
                1
            }
            [] => 0,
        };
    }
    tokens
}

/// A string as a token: one pair of double quotes around its text, without a raw string's `#`.
fn literal(text: &[char]) -> String {
    text.iter().collect::<String>().trim_matches('#').to_owned()
}

fn block_comment(text: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a raw string, or 0 where there is none.
fn raw_string(text: &[char]) -> usize {
    let hashes = text[1..].iter().take_while(|&&next| next == '#').count();
    if text.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    let start = hashes + 2;
    let found = text[start..].windows(end.len()).position(|window| window == end);
    found.map_or(text.len(), |found| start + found + end.len())
}

fn string(text: &[char]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// A character, or the mark of a lifetime.
fn character(text: &[char]) -> usize {
    match text {
        ['\'', '\\', ..] => {
            2 + text[3..].iter().position(|&next| next == '\'').map_or(0, |at| at + 2)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

/// Leaves out the items, fields and statements that only tests have.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let (mut code, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        match attribute(&tokens[at..]) {
            Some(length) if is_for_tests(&tokens[at..at + length]) => {
                at += length;
                at += item(&tokens[at..]);
            }
            _ => {
                code.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    code
}

/// The length of an attribute, where one begins.
pub(crate) fn attribute(tokens: &[String]) -> Option<usize> {
    if tokens.len() < 2 || tokens[0] != "#" || tokens[1] != "[" {
        return None;
    }
    Some(1 + balanced(&tokens[1..], "[", "]"))
}

/// Whether this is a `cfg` that is false without `test`.
fn is_for_tests(attribute: &[String]) -> bool {
    match attribute {
        [_, _, cfg, open, predicate @ .., _, _] if cfg == "cfg" && open == "(" => {
            requires_test(predicate)
        }
        _ => false,
    }
}

fn requires_test(predicate: &[String]) -> bool {
    match predicate {
        [test] => test == "test",
        [all, open, inner @ .., _] if all == "all" && open == "(" => {
            parts(inner).into_iter().any(requires_test)
        }
        [any, open, inner @ .., _] if any == "any" && open == "(" => {
            let alternatives = parts(inner);
            !alternatives.is_empty() && alternatives.into_iter().all(requires_test)
        }
        _ => false,
    }
}

/// The length of what an attribute is for: to the end of its block, to its semicolon, or to the
/// comma of a field. Where that is unclear it is too short, so that no code is left out.
fn item(tokens: &[String]) -> usize {
    let mut at = 0;
    while let Some(length) = attribute(&tokens[at..]) {
        at += length;
    }
    if tokens.get(at).is_some_and(|token| token == "pub") {
        at += 1;
        if tokens.get(at).is_some_and(|token| token == "(") {
            at += balanced(&tokens[at..], "(", ")");
        }
    }
    let has_keyword = tokens.get(at).is_some_and(|token| KEYWORDS.contains(&token.as_str()));
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => return at + balanced(&tokens[at..], "{", "}"),
            "(" => at += balanced(&tokens[at..], "(", ")"),
            "[" => at += balanced(&tokens[at..], "[", "]"),
            ";" => return at + 1,
            "," if !has_keyword => return at + 1,
            // The end of what it stands in.
            "}" | ")" | "]" => return at,
            _ => at += 1,
        }
    }
    at
}

/// The length of what stands in brackets, with them.
pub fn balanced(tokens: &[String], open: &str, close: &str) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        if token == open {
            depth += 1;
        } else if token == close {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    tokens.len()
}

/// What stands between commas, except for those in brackets.
pub(crate) fn parts(tokens: &[String]) -> Vec<&[String]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" => depth += 1,
            "}" | ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                parts.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tokens[start..]);
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}
