//! Colors, where a terminal shows them.

use std::{
    env,
    io::{self, IsTerminal},
};

use clap::ValueEnum;

/// When there are colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What a text is painted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Nothing.
    #[default]
    Plain,
    /// It is as it should be.
    Good,
    /// It may be meant so.
    Notable,
    /// Something is wrong.
    Bad,
    /// A heading.
    Strong,
    /// It is of less interest.
    Faint,
}

/// Paints text, or does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    is_on: bool,
}

impl Palette {
    /// Paints what goes to standard output.
    pub(crate) fn new(when: ColorWhen) -> Self {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = || env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let is_on = match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            // https://no-color.org
            ColorWhen::Auto => io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb(),
        };
        Self { is_on }
    }

    /// The text in the color for this.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            _ if !self.is_on || text.is_empty() => return text.to_owned(),
            Paint::Plain => return text.to_owned(),
            Paint::Good => "32",
            Paint::Notable => "33",
            Paint::Bad => "1;31",
            Paint::Strong => "1",
            Paint::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::{ColorWhen, Paint, Palette};

    #[test]
    fn colors_are_there_only_if_wanted() {
        let always = Palette::new(ColorWhen::Always);
        assert_eq!(always.paint(Paint::Good, "up"), "\x1b[32mup\x1b[0m");
        assert_eq!(always.paint(Paint::Plain, "up"), "up");
        assert_eq!(always.paint(Paint::Bad, ""), "");
        assert_eq!(Palette::new(ColorWhen::Never).paint(Paint::Bad, "down"), "down");
    }
}
