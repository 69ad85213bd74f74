//! A directive's arguments, sorted.

use crate::{ConfError, Directive, Parameter};

/// The arguments of a directive, as its row of the table has them: their number is right, and each
/// parameter is known, has a value or has none as it must, and is there once unless it may be
/// repeated.
#[derive(Debug)]
pub struct Args<'a> {
    directive: &'static Directive,
    arguments: &'a [String],
    /// Each parameter that is given, and its value; a flag's is empty.
    given: Vec<(&'static Parameter, &'a str)>,
}

impl Directive {
    /// Sorts the arguments, without the directive's name.
    ///
    /// # Errors
    ///
    /// What does not fit the directive's row.
    pub fn parse<'a>(&'static self, args: &'a [String]) -> Result<Args<'a>, ConfError> {
        let required = self.arguments.len();
        if args.len() < required || (self.needs_parameter() && args.len() == required) {
            return Err(self.wrong_number());
        }
        if !self.takes_parameters() {
            return Ok(Args { directive: self, arguments: args, given: Vec::new() });
        }
        let (arguments, rest) = args.split_at(required);
        self.check_first(arguments)?;
        if self.parameters.is_empty() && !rest.is_empty() {
            return Err(self.wrong_number());
        }
        let mut parsed = Args { directive: self, arguments, given: Vec::new() };
        for argument in rest {
            parsed.add(argument)?;
        }
        parsed.check_together()?;
        Ok(parsed)
    }
}

impl Directive {
    /// That the first argument, by which it is known which parameters there can be, was not
    /// forgotten: otherwise the message would be that a parameter cannot be used with another one.
    fn check_first(&self, arguments: &[String]) -> Result<(), ConfError> {
        let is_kind = self.parameters.iter().any(|parameter| !parameter.only_with.is_empty());
        let Some(first) = arguments.first().filter(|_| is_kind) else { return Ok(()) };
        let name = first.split_once('=').map_or(first.as_str(), |(name, _)| name);
        match self.find_parameter(name) {
            Some(parameter) => Err(self.missing_first(first, parameter)),
            None => Ok(()),
        }
    }
}

impl<'a> Args<'a> {
    fn add(&mut self, argument: &'a str) -> Result<(), ConfError> {
        let (name, value) =
            argument.split_once('=').map_or((argument, None), |(name, value)| (name, Some(value)));
        let Some(parameter) = self.directive.find_parameter(name) else {
            return Err(self.directive.unknown_parameter(argument));
        };
        if value.is_some() != parameter.syntax.is_some() {
            return Err(self.directive.invalid_parameter(argument, parameter));
        }
        if self.is_given(name) && !parameter.repeats {
            return Err(self.directive.duplicate_parameter(argument, parameter));
        }
        self.given.push((parameter, value.unwrap_or_default()));
        Ok(())
    }

    fn check_together(&self) -> Result<(), ConfError> {
        for (parameter, _) in &self.given {
            if let Some(other) = parameter.excludes.filter(|other| self.is_given(other)) {
                return Err(self.directive.excludes(parameter.name, other));
            }
            if let ([_, ..], [first, ..]) = (parameter.only_with, self.arguments)
                && !parameter.only_with.contains(&first.as_str())
            {
                return Err(self.directive.excludes(parameter.name, first));
            }
        }
        let missing =
            |parameter: &&Parameter| parameter.is_required && !self.is_given(parameter.name);
        match self.directive.parameters.iter().find(missing) {
            Some(parameter) => Err(self.directive.missing_parameter(parameter)),
            None => Ok(()),
        }
    }

    /// The arguments before the parameters.
    pub fn arguments(&self) -> &'a [String] {
        self.arguments
    }

    /// Whether the parameter is written out.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|(parameter, _)| parameter.name == name)
    }

    /// The value of a parameter that is written out.
    pub fn given(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The value of a parameter that is written out, or its default.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.given(name).or(self.directive.parameter(name).default)
    }

    /// The values of a parameter that may be repeated, in their order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let given = self.given.iter().filter(move |(parameter, _)| parameter.name == name);
        given.map(|&(_, value)| value)
    }

    /// The value of a parameter, or its default, as `read` reads it; `None` where it is not given
    /// and has no default.
    ///
    /// # Errors
    ///
    /// Where `read` does not take it.
    pub fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, ConfError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.directive.invalid_value(name, value))
    }

    /// As [`read`](Self::read), for a parameter that has a default or must be given.
    ///
    /// # Errors
    ///
    /// As there, and where there is no value.
    pub fn need<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ConfError> {
        let missing = || self.directive.missing_parameter(self.directive.parameter(name));
        self.read(name, read)?.ok_or_else(missing)
    }

    /// The argument at a place, which counts from 0, as `read` reads it.
    ///
    /// # Errors
    ///
    /// Where `read` does not take it.
    pub fn argument<T>(
        &self,
        place: usize,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ConfError> {
        let argument = self.arguments.get(place).ok_or_else(|| self.directive.wrong_number())?;
        read(argument).ok_or_else(|| self.directive.invalid_argument(place, argument))
    }
}
