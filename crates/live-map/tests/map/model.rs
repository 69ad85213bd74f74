//! Whatever is done in whatever order, the map has what a plain one has.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use live_map::{Full, Kind, MAX_NAME, MapWriter, Name, SharedMap, Tag, bytes_for};
use proptest::collection::vec;
use proptest::prelude::*;

type Model = BTreeMap<(Kind, Vec<u8>), Vec<u8>>;

fn zeroes(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

fn get(map: SharedMap<'_>, name: &Name<'_>) -> Option<Vec<u8>> {
    let copy = map.get(name, |found| {
        let mut copy = vec![0; found.len()];
        found.copy_to(&mut copy);
        assert_eq!(found.to_vec(), copy);
        copy
    });
    copy.expect("nobody writes")
}

/// All entries as the map gives them in its three ways.
fn entries(writer: &MapWriter<'_>) -> Model {
    let own: Model =
        writer.entries().map(|entry| ((entry.kind, entry.text), entry.value)).collect();
    assert_eq!(own.len(), writer.len());
    let read = writer.map().entries().expect("nobody writes");
    assert_eq!(
        read.into_iter().map(|entry| ((entry.kind, entry.text), entry.value)).collect::<Model>(),
        own
    );
    for ((kind, text), value) in &own {
        let upper = text.to_ascii_uppercase();
        let name = Name::new(*kind, &upper).expect("short");
        assert_eq!(get(writer.map(), &name).as_ref(), Some(value));
    }
    own
}

#[derive(Clone, Debug)]
enum Step {
    Put(Kind, Vec<u8>, Vec<u8>),
    Delete(Kind, Vec<u8>),
    TakeOver,
    Clear,
    Retain(Kind),
    Publish,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Exact), Just(Kind::Head), Just(Kind::Dot), Just(Kind::Tail)]
}

/// Few of them, so that they meet again, of lengths about those at which another cell begins.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![0..3_usize, 6..10_usize, 38..50_usize, Just(MAX_NAME)];
    (length, 0..3_u8).prop_map(|(length, letter)| {
        let mut text = vec![b'A' + letter; length];
        text.iter_mut().skip(3).step_by(4).for_each(|byte| *byte = b'.');
        text
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 0..30_usize, 2 => 30..120_usize, 1 => 400..1_200_usize];
    length.prop_flat_map(|length| vec(any::<u8>(), length))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (kind(), text(), value()).prop_map(|(kind, text, to)| Step::Put(kind, text, to)),
        5 => (kind(), text()).prop_map(|(kind, text)| Step::Delete(kind, text)),
        2 => Just(Step::TakeOver),
        1 => Just(Step::Clear),
        1 => kind().prop_map(Step::Retain),
        1 => Just(Step::Publish),
    ]
}

/// Bytes of all cells of a memory, as the documentation of the layout has it.
fn memory_of(words: &[AtomicU64]) -> usize {
    words.len().saturating_sub(24) / 9 * 64
}

fn used(model: &Model) -> usize {
    let entries = model.iter();
    entries
        .map(|((kind, text), value)| {
            bytes_for(&Name::new(*kind, text).expect("short"), value.len())
        })
        .sum()
}

proptest! {
    #[test]
    fn any_order_of_changes_ends_in_the_same(
        steps in vec(step(), 0..60),
        cells in 1..160_usize,
        is_secret: bool,
    ) {
        let words = zeroes(24 + 9 * cells);
        let mut writer = MapWriter::take_over(&words, is_secret);
        let mut model = Model::new();
        let mut published = (0, Tag::default(), 0, 0);
        for step in steps {
            match step {
                Step::Put(kind, text, value) => {
                    let name = Name::new(kind, &text).expect("short");
                    let key = (kind, text.to_ascii_lowercase());
                    let needed = bytes_for(&name, value.len());
                    let old = model.get(&key).map_or(0, |old| bytes_for(&name, old.len()));
                    let left = (writer.bytes_total() + old).saturating_sub(used(&model));
                    let has_room =
                        needed <= left && needed <= memory_of(&words) - used(&model);
                    match writer.put(&name, &value) {
                        Ok(is_changed) => {
                            let is_other = model.get(&key) != Some(&value);
                            prop_assert!(has_room || !is_other);
                            prop_assert_eq!(is_changed, is_other);
                            model.insert(key, value);
                        }
                        Err(full) => {
                            prop_assert!(!has_room);
                            prop_assert_eq!(full, Full { needed, left });
                        }
                    }
                }
                Step::Delete(kind, text) => {
                    let name = Name::new(kind, &text).expect("short");
                    let is_there = model.remove(&(kind, text.to_ascii_lowercase())).is_some();
                    prop_assert_eq!(writer.delete(&name), is_there);
                }
                Step::TakeOver => writer = MapWriter::take_over(&words, is_secret),
                Step::Clear => {
                    writer.clear();
                    model.clear();
                }
                Step::Retain(kind) => {
                    let before = model.len();
                    model.retain(|(other, _), _| *other == kind);
                    let is_changed = writer.retain(|name| name.kind() == kind);
                    prop_assert_eq!(is_changed, before != model.len());
                }
                Step::Publish => {
                    let generation = published.0 + 1;
                    let tag = Tag { source: 7, revision: generation };
                    writer.publish(tag);
                    published = (generation, tag, model.len(), used(&model));
                }
            }
            prop_assert_eq!(&entries(&writer), &model);
            prop_assert_eq!((writer.len(), writer.bytes_used()), (model.len(), used(&model)));
            let map = SharedMap::new(&words);
            let figures = (map.generation(), map.tag(), map.len(), map.bytes_used());
            prop_assert_eq!(figures, published);
        }
    }
}
