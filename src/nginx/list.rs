//! Lists of what lives as long as a cycle.

use core::cell::RefCell;

/// A list that grows while a configuration is read, and that anybody may look at meanwhile.
#[derive(Debug)]
pub(crate) struct List<T: 'static>(RefCell<Vec<&'static T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> List<T> {
    pub(crate) fn push(&self, item: &'static T) {
        self.0.borrow_mut().push(item);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In the order in which they came; what comes meanwhile comes as well.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static T> {
        (0..).map_while(|index| self.0.borrow().get(index).copied())
    }
}
