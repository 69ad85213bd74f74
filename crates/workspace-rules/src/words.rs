//! A source as words and punctuation: without comments, strings and what is for tests only.

/// The words of a source: identifiers, `::`, and single characters of punctuation.
pub fn words(source: &str) -> Vec<String> {
    without_tests(split(source))
}

fn split(source: &str) -> Vec<String> {
    let text: Vec<char> = source.chars().collect();
    let (mut words, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        at += match rest {
            ['/', '/', ..] => rest.iter().take_while(|&&next| next != '\n').count(),
            ['/', '*', ..] => block_comment(rest),
            ['r', '"' | '#', ..] if raw_string(rest) > 0 => raw_string(rest),
            ['b' | 'c', 'r', '"' | '#', ..] if raw_string(&rest[1..]) > 0 => {
                1 + raw_string(&rest[1..])
            }
            ['"', ..] => string(rest),
            ['\'', ..] => character(rest),
            [first, ..] if first.is_alphanumeric() || *first == '_' => {
                let is_word = |next: &&char| next.is_alphanumeric() || **next == '_';
                let word: String = rest.iter().take_while(is_word).collect();
                let length = word.chars().count();
                words.push(word);
                length
            }
            [':', ':', ..] => {
                words.push("::".to_owned());
                2
            }
            [first, ..] => {
                if !first.is_whitespace() {
                    words.push(first.to_string());
                }
                1
            }
            [] => 0,
        };
    }
    words
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

/// Leaves out the items behind `#[cfg(test)]` and its like.
fn without_tests(words: Vec<String>) -> Vec<String> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < words.len() {
        match attribute(&words[at..]) {
            Some(length) if is_for_tests(&words[at..at + length]) => {
                at += length;
                at += item(&words[at..]);
            }
            _ => {
                kept.push(words[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// The length of an attribute, where one begins.
fn attribute(words: &[String]) -> Option<usize> {
    if words.len() < 2 || words[0] != "#" || words[1] != "[" {
        return None;
    }
    Some(1 + balanced(&words[1..], "[", "]"))
}

fn is_for_tests(attribute: &[String]) -> bool {
    let has = |word: &str| attribute.iter().any(|other| other == word);
    has("cfg") && has("test") && !has("not")
}

/// The length of an item: to its semicolon, or to the end of its block.
fn item(words: &[String]) -> usize {
    let end = words.iter().position(|word| word == ";" || word == "{").unwrap_or(words.len());
    match words.get(end).map(String::as_str) {
        Some("{") => end + balanced(&words[end..], "{", "}"),
        _ => (end + 1).min(words.len()),
    }
}

/// The length of what stands in brackets, with them.
pub fn balanced(words: &[String], open: &str, close: &str) -> usize {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate() {
        if word == open {
            depth += 1;
        } else if word == close {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    words.len()
}
