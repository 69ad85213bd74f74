//! A word is read as something names it, while it comes to say something else.

use loom::{sync::Arc, thread};
use peer_zone::protocol::{NamedWord, WordIndex};

/// Two words, and what names them: a word that the peer is to find has the peer's number.
struct Zone {
    words: [NamedWord; 2],
    peers: [WordIndex; 2],
}

const PEER: u64 = 1 << 32;
const OTHER: u64 = 1 << 33;

impl Zone {
    fn new() -> Arc<Self> {
        let words = [PEER, 0].map(NamedWord::new);
        Arc::new(Self { words, peers: [1, 0].map(WordIndex::new) })
    }
}

#[test]
fn a_word_that_is_used_again_is_nobody_elses() {
    loom::model(|| {
        let zone = Zone::new();
        let reader = thread::spawn({
            let zone = zone.clone();
            move || {
                for _ in 0..2 {
                    let word = zone.peers[0].read(&zone.words).expect("it names one");
                    assert!(word == PEER || word == PEER + 1, "{word:x}");
                }
            }
        });
        // The peer goes over to the second word, and the first is another's.
        zone.words[1].set(PEER + 1);
        zone.peers[0].set(2);
        zone.words[0].set(OTHER);
        zone.peers[1].set(1);
        reader.join().expect("the reader");
        assert_eq!(
            zone.peers.each_ref().map(|it| it.read(&zone.words)),
            [Some(PEER + 1), Some(OTHER)]
        );
    });
}

#[test]
fn who_names_none_for_a_moment_reads_none_or_its_own() {
    loom::model(|| {
        let zone = Zone::new();
        let reader = thread::spawn({
            let zone = zone.clone();
            move || {
                let word = zone.peers[0].read(&zone.words);
                assert!(word.is_none_or(|word| word & PEER != 0), "{word:?}");
            }
        });
        zone.peers[0].set(0);
        zone.words[0].set(OTHER);
        zone.peers[1].set(1);
        zone.words[1].set(PEER + 1);
        zone.peers[0].set(2);
        reader.join().expect("the reader");
    });
}
