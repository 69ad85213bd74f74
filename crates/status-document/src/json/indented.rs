//! Indented JSON, written one field after the other.

/// Where in a document the next item comes.
#[derive(Debug, Default)]
pub(super) struct Indented {
    depth: usize,
    has_items: bool,
}

/// What can be written.
pub(super) trait Value {
    fn write(&self, out: &mut Vec<u8>);
}

/// What is written by `serde_json`, and never fails: memory takes all, and keys are texts.
macro_rules! scalars {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn write(&self, out: &mut Vec<u8>) {
                let _ = serde_json::to_writer(out, self);
            }
        }
    )*};
}

scalars!(bool, u32, u64, usize, f64, str);

impl<T: Value + ?Sized> Value for &T {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

/// What a function writes.
pub(super) struct Written<F>(pub(super) F);

impl<F: Fn(&mut Vec<u8>)> Value for Written<F> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.0)(out);
    }
}

impl Indented {
    /// Begins an object (`{`) or an array (`[`), as the value of a field, an item, or all.
    pub(super) fn begin(&mut self, bracket: u8, out: &mut Vec<u8>) {
        out.push(bracket);
        self.depth += 1;
        self.has_items = false;
    }

    /// Ends it.
    pub(super) fn end(&mut self, bracket: u8, out: &mut Vec<u8>) {
        self.depth = self.depth.saturating_sub(1);
        if self.has_items {
            self.line(out);
        }
        out.push(bracket);
        self.has_items = true;
    }

    /// The next item of an array begins.
    pub(super) fn item(&mut self, out: &mut Vec<u8>) {
        if self.has_items {
            out.push(b',');
        }
        self.line(out);
        self.has_items = true;
    }

    /// The name of the next field.
    pub(super) fn name(&mut self, name: &str, out: &mut Vec<u8>) {
        self.item(out);
        name.write(out);
        out.extend_from_slice(b": ");
    }

    /// A field.
    pub(super) fn field(&mut self, name: &str, value: impl Value, out: &mut Vec<u8>) {
        self.name(name, out);
        value.write(out);
    }

    /// An array as a field: each item in a line.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: &[T],
        write: impl Fn(&T, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        self.name(name, out);
        self.begin(b'[', out);
        for item in items {
            self.item(out);
            write(item, out);
        }
        self.end(b']', out);
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + 2 * self.depth, b' ');
    }
}

/// An object in a line: what [`inline`] gives to the function that writes its fields.
pub(super) struct Inline<'a> {
    has_items: bool,
    out: &'a mut Vec<u8>,
}

impl Inline<'_> {
    pub(super) fn field(&mut self, name: &str, value: impl Value) -> &mut Self {
        if self.has_items {
            self.out.extend_from_slice(b", ");
        }
        self.has_items = true;
        name.write(self.out);
        self.out.extend_from_slice(b": ");
        value.write(self.out);
        self
    }
}

/// Writes an object in a line.
pub(super) fn inline(out: &mut Vec<u8>, write: impl FnOnce(&mut Inline<'_>)) {
    out.push(b'{');
    write(&mut Inline { has_items: false, out });
    out.push(b'}');
}

/// Numbers or texts in a line.
pub(super) fn items<T: Value>(
    values: impl IntoIterator<Item = T> + Clone,
) -> impl Fn(&mut Vec<u8>) {
    move |out| {
        out.push(b'[');
        for (index, value) in values.clone().into_iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            value.write(out);
        }
        out.push(b']');
    }
}
