//! Pages as a parser of HTML reads them.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// What is in a page.
#[derive(Debug, Default)]
pub struct Markup {
    /// Each tag, with the names of its attributes, and the values that are not taken from data.
    pub tags: Vec<String>,
    /// Each value of an attribute.
    pub values: Vec<(String, String)>,
    /// All text, without style and script.
    pub text: String,
    /// What the parser does not like.
    pub errors: Vec<String>,
}

/// Attributes whose values may have data in them.
const OF_DATA: [&str; 2] = ["aria-label", "datetime"];

#[derive(Default)]
struct Sink {
    markup: RefCell<Markup>,
    is_raw: RefCell<bool>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut markup = self.markup.borrow_mut();
        match token {
            Token::TagToken(tag) => {
                let slash = if tag.kind == TagKind::EndTag { "/" } else { "" };
                let mut words = vec![format!("{slash}{}", tag.name)];
                for attribute in &tag.attrs {
                    let (name, value) = (attribute.name.local.to_string(), &attribute.value);
                    let is_of_data = OF_DATA.contains(&name.as_str());
                    let shown = if is_of_data { "…" } else { value.as_ref() };
                    words.push(format!("{name}={shown}"));
                    markup.values.push((name, value.to_string()));
                }
                markup.tags.push(words.join(" "));
                let is_raw = slash.is_empty() && ["style", "script"].contains(&&*tag.name);
                *self.is_raw.borrow_mut() = is_raw;
                if is_raw {
                    let kind =
                        if &*tag.name == "style" { RawKind::Rawtext } else { RawKind::ScriptData };
                    return TokenSinkResult::RawData(kind);
                }
            }
            Token::CharacterTokens(text) if !*self.is_raw.borrow() => markup.text.push_str(&text),
            Token::NullCharacterToken => markup.errors.push("a null character".to_owned()),
            Token::CommentToken(text) => markup.errors.push(format!("a comment: {text}")),
            Token::ParseError(error) => markup.errors.push(error.to_string()),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// Reads a page.
pub fn parse(page: &[u8]) -> Markup {
    let text = std::str::from_utf8(page).expect("UTF-8");
    let options = TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(Sink::default(), options);
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(text));
    let _ = tokenizer.feed(&queue);
    tokenizer.end();
    tokenizer.sink.markup.take()
}
