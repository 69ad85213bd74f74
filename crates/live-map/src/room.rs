//! Which cells are free: what the writer knows for itself.

/// A part of the cells is for new values of entries that are there, which lie beside the old ones
/// until these have gone: a full map still takes changes.
const RESERVE: usize = 32;

/// Cells wait until they are an eighth of all that were ever written. Sooner, readers would have to
/// begin again more often; later, memory would be touched that is not needed.
const WAITING: usize = 8;

/// Bits of a word of a set.
const BITS: usize = u64::BITS as usize;

/// How many of so many cells entries may take.
pub(crate) fn capacity(cells: usize) -> usize {
    cells - cells / RESERVE
}

/// How many cells there must be for entries that take so many.
pub(crate) fn cells_for_capacity(capacity: usize) -> usize {
    // The least whose part that is no reserve suffices.
    capacity + capacity.saturating_sub(1) / (RESERVE - 1)
}

/// A set of cells.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    words: Vec<u64>,
    count: usize,
}

impl Cells {
    /// Adds cells, if they are all new and differ. Returns whether they do.
    pub(crate) fn insert_all(&mut self, cells: &[usize]) -> bool {
        let new = cells.iter().take_while(|&&cell| self.insert(cell)).count();
        let are_all = new == cells.len();
        if !are_all {
            cells[..new].iter().for_each(|&cell| self.remove(cell));
        }
        are_all
    }

    /// Adds a cell. Returns whether it is new.
    fn insert(&mut self, cell: usize) -> bool {
        let (word, bit) = (cell / BITS, 1 << (cell % BITS));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += usize::from(is_new);
        is_new
    }

    /// Removes a cell that is there.
    fn remove(&mut self, cell: usize) {
        if let Some(word) = self.words.get_mut(cell / BITS) {
            *word &= !(1 << (cell % BITS));
            self.count -= 1;
        }
    }

    fn contains(&self, cell: usize) -> bool {
        self.words.get(cell / BITS).is_some_and(|word| word >> (cell % BITS) & 1 != 0)
    }

    /// Removes the first cell of those from a word on, and says in which word it was.
    fn take(&mut self, from: usize) -> Option<(usize, usize)> {
        let rest = self.words.get_mut(from..)?;
        let (at, word) = rest.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
        let bit = word.trailing_zeros() as usize;
        *word &= *word - 1;
        self.count -= 1;
        Some(((from + at) * BITS + bit, from + at))
    }
}

/// Where there is room for an entry.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// All cells.
    total: usize,
    /// Those below this one were written at some time.
    touched: usize,
    /// Those that entries take.
    used: usize,
    /// Those that may be written: who could look at them would find that memory was reused.
    usable: Cells,
    /// There is none in words below this one.
    from: usize,
    /// Those that were freed later.
    waiting: Cells,
}

/// Where to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this cell.
    Usable(usize),
    /// In this one, which was never written before.
    Fresh(usize),
    /// Where cells wait: [`Room::reuse`] is to be called, after it has been counted.
    Waiting,
    /// Nowhere.
    Nowhere,
}

impl Room {
    /// The room beside the cells that are used, of which those below `touched` were ever written.
    pub(crate) fn beside(used: &Cells, touched: usize, total: usize) -> Self {
        let mut waiting = Cells::default();
        for cell in (0..touched).filter(|&cell| !used.contains(cell)) {
            waiting.insert(cell);
        }
        Self { total, touched, used: used.count, waiting, ..Self::default() }
    }

    /// The cells that were written at some time, and that no entry takes.
    pub(crate) fn free_cells(&self) -> impl Iterator<Item = usize> {
        (0..self.touched).filter(|&cell| self.waiting.contains(cell) || self.usable.contains(cell))
    }

    /// How many cells entries take.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// How many more they may take.
    pub(crate) fn left(&self) -> usize {
        capacity(self.total).saturating_sub(self.used)
    }

    /// Whether an entry of so many cells may take the place of one of so many, which is 0 for none.
    pub(crate) fn has_room(&self, new: usize, old: usize) -> bool {
        new <= self.total.saturating_sub(self.used) && new <= self.left() + old
    }

    /// The next cell to be written. It is used from now on.
    pub(crate) fn take(&mut self) -> Place {
        if let Some((cell, word)) = self.usable.take(self.from) {
            self.from = word;
            self.used += 1;
            return Place::Usable(cell);
        }
        let is_due = self.waiting.count * WAITING >= self.touched || self.touched == self.total;
        if self.waiting.count > 0 && is_due {
            return Place::Waiting;
        }
        if self.touched == self.total {
            return Place::Nowhere;
        }
        self.touched += 1;
        self.used += 1;
        Place::Fresh(self.touched - 1)
    }

    /// The cells that wait may be written from now on.
    pub(crate) fn reuse(&mut self) {
        // Nobody asks for it as long as there are usable ones.
        std::mem::swap(&mut self.usable, &mut self.waiting);
        self.from = 0;
    }

    /// A cell is free: it waits.
    pub(crate) fn free(&mut self, cell: usize) {
        if self.waiting.insert(cell) {
            self.used = self.used.saturating_sub(1);
        }
    }
}
