//! What a writer finds when it begins.

use text_words::Text;

use crate::{
    bits::Link,
    entry::{cells_for, cells_of, zero},
    hash::Seed,
    labels::Labels,
    layout::Layout,
    lookup::{Place, chain},
    name::{Kind, MAX_NAME},
    room::{Cells, Room},
    sync::AtomicU64,
};

/// What the writer knows of the map.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) room: Room,
    pub(crate) labels: Labels,
    /// How many there are.
    pub(crate) entries: usize,
}

/// Finds out what there is. Whatever its last writer was about, a chain has whole entries only; one
/// that does not, because something else was written there, ends before the first that is not.
pub(crate) fn take_over(layout: &Layout<'_>, is_secret: bool) -> State {
    let Some(seed) = layout.seed() else {
        layout.make(Seed::random());
        // Nothing is looked at: that would touch memory that may never be needed.
        let room = Room::beside(&Cells::default(), layout.touched(), layout.cells.len());
        return State { room, ..State::default() };
    };
    let (mut used, mut labels, mut entries) = (Cells::default(), Labels::default(), 0);
    for bucket in layout.buckets {
        let mut last = bucket;
        for (link, place) in chain(layout.cells, bucket) {
            let Some((kind, text)) = claim(layout, seed, bucket, link, &place, &mut used) else {
                break;
            };
            labels.add(kind, &text);
            entries += 1;
            last = &place.body.cell[0];
        }
        if Link::read(last) != Link::NONE {
            Link::NONE.write(last);
        }
    }
    labels.mark(layout);
    let room = Room::beside(&used, layout.touched(), layout.cells.len());
    if is_secret {
        layout.count_reuse();
        room.free_cells().filter_map(|cell| layout.cells.get(cell)).for_each(zero);
    }
    State { room, labels, entries }
}

/// Notes the cells of an entry as used, if it is whole. Returns its kind and its name.
fn claim(
    layout: &Layout<'_>,
    seed: Seed,
    bucket: &AtomicU64,
    link: Link,
    place: &Place<'_>,
    used: &mut Cells,
) -> Option<(Kind, Vec<u8>)> {
    let head = place.head;
    let text = place.body.name()?;
    let hash = seed.hash(Text::new(&text));
    let is_here = layout.bucket(hash).is_some_and(|own| std::ptr::eq(own, bucket));
    let cells = cells_of(layout.cells, place.index);
    let is_whole = cells.len() == cells_for(head.name(), head.value())
        && cells.iter().all(|&cell| cell < layout.touched());
    (text.len() <= MAX_NAME && link.is_of(hash) && is_here && is_whole && used.insert_all(&cells))
        .then(|| (head.kind(), text))
}
