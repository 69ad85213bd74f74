use std::sync::Arc;

use proptest::prelude::*;

use super::{HasPlace, Placed, group_of};
use crate::{
    layout::Parameters,
    memory::Offset,
    peer_spec::{PeerSpec, is_same},
};

#[derive(Clone, Debug, PartialEq)]
struct Record {
    spec: Arc<PeerSpec>,
    place: Offset,
    number: usize,
}

impl HasPlace for Record {
    fn spec(&self) -> &PeerSpec {
        &self.spec
    }

    fn place(&self) -> Offset {
        self.place
    }
}

/// A few keys and addresses, so that records of the same peer come often.
fn record(what: usize, place: u32, number: usize) -> Record {
    let key = what % 3;
    let key: Option<Arc<str>> = (key > 0).then(|| format!("key-{key}").into());
    let address: Arc<[u8]> = [what as u8 / 3].into();
    let name: Arc<str> = "name".into();
    let spec = PeerSpec {
        key,
        socket_address: address,
        name: Arc::clone(&name),
        server: name,
        parameters: Parameters::default(),
        sticky: 0,
        route: None,
        labels: None,
        source: None,
        group: (what > 2).then(|| format!("group-{}", what / 3).into()),
        create_revision: 0,
        joined: 0,
    };
    Record { spec: Arc::new(spec), place: Offset(place), number }
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize, u32),
    Remove(u32),
    Move(u32),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..9_usize, 0..12_u32).prop_map(|(what, place)| Step::Push(what, place)),
        8 => (0..12_u32).prop_map(Step::Remove),
        1 => (0..12_u32).prop_map(Step::Move),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn records_are_found_as_in_a_list(steps in prop::collection::vec(step(), 0..80)) {
        let (mut placed, mut list) = (Placed::default(), Vec::<Record>::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(what, place) => {
                    let record = record(what, place, number);
                    list.retain(|other| other.place != record.place);
                    list.push(record.clone());
                    placed.push(record);
                }
                Step::Remove(place) => {
                    let found = list.iter().position(|record| record.place == Offset(place));
                    let removed = found.map(|at| list.remove(at));
                    prop_assert_eq!(placed.remove(Offset(place)), removed);
                }
                Step::Move(place) => {
                    let change = |record: &mut Record| {
                        if record.place == Offset(place) {
                            let group = Some("group-1".into());
                            record.spec =
                                Arc::new(PeerSpec { group, ..PeerSpec::clone(&record.spec) });
                        }
                    };
                    list.iter_mut().for_each(change);
                    placed.change_each(change);
                }
                Step::Clear => {
                    list.clear();
                    placed.clear();
                }
            }
            prop_assert!(placed.iter().eq(&list));
            prop_assert_eq!((placed.len(), placed.is_empty()), (list.len(), list.is_empty()));
            for place in (0..12).map(Offset) {
                let expected = list.iter().find(|record| record.place == place);
                prop_assert_eq!(placed.get(place), expected);
            }
            for group in ["", "group-0", "group-1", "group-2"] {
                let is_its = |record: &&Record| group_of(&record.spec) == group;
                let mut expected: Vec<_> = list.iter().filter(is_its).collect();
                expected.sort_unstable_by_key(|record| record.place);
                prop_assert!(placed.of_group(group).eq(expected));
            }
            for what in 0..9 {
                let wanted = record(what, 0, 0).spec;
                let same = list.iter().filter(|record| is_same(&record.spec, &wanted));
                prop_assert_eq!(placed.find(&wanted), same.min_by_key(|record| record.place));
            }
        }
        prop_assert!(placed.into_records().eq(list));
    }
}
