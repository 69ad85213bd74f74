//! The settings of all groups of an upstream: which value each has, and what becomes of them when a
//! key changes, when all keys are listed again, and when another etcd takes the place of the one
//! before.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map},
    mem,
    sync::{Arc, atomic::AtomicU64},
};

use live_map::{Full, MapWriter, Name, Tag, bytes_for};
use upstream_peers::Excerpt;

use crate::{GroupSettings, SettingsError, UpstreamSettings, limits::MAX_GROUP, spelling};

/// A part of the room that is worth a list, for what was left out: an eighth.
const PART: usize = 8;

/// Which keys are those of groups, and on what their settings build.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What the upstream has.
    pub upstream: Arc<UpstreamSettings>,
    /// A group is named by a segment of a key, which has no slash.
    pub is_by_key: bool,
}

/// The settings of all groups.
pub struct Entries<'w> {
    rules: Rules,
    groups: BTreeMap<Arc<str>, Entry>,
    /// Where the values lie for who goes on with them; `None` for those of an etcd that is to
    /// succeed the one before.
    writer: Option<MapWriter<'w>>,
    changed: BTreeSet<Arc<str>>,
    left_out: LeftOut,
}

/// The last good value of a group.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it is written.
    pub text: Arc<str>,
    /// What it says.
    pub settings: Arc<GroupSettings>,
    /// The revision of etcd's at which it was put, if it is to be compared with those of peers: see
    /// [`InHand::settle`](crate::InHand::settle).
    pub put_at: Option<u64>,
}

impl Entry {
    fn parse(value: &[u8], upstream: &UpstreamSettings) -> Result<Self, SettingsError> {
        let settings = Arc::new(GroupSettings::parse(value, upstream)?);
        let text = str::from_utf8(value).map_err(|_| SettingsError::NotUtf8)?.into();
        Ok(Self { text, settings, put_at: None })
    }
}

/// Groups whose settings have no room.
#[derive(Debug, Default)]
struct LeftOut {
    /// The bytes that each takes.
    needed: HashMap<Vec<u8>, usize>,
    /// The bytes that were left when the last one found no room.
    left: usize,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Update {
    /// Whether settings differ from those before.
    pub is_changed: bool,
    /// The keys that were rejected.
    pub rejected: Vec<Rejected>,
}

/// A key that was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The key below the prefix.
    pub key: Vec<u8>,
    /// Why it was rejected.
    pub error: SettingsError,
}

impl std::fmt::Debug for Entries<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Entries({} groups)", self.groups.len())
    }
}

impl<'w> Entries<'w> {
    /// None, of an etcd that is to succeed the one before.
    pub fn beside(rules: Rules) -> Self {
        Self {
            rules,
            groups: BTreeMap::new(),
            writer: None,
            changed: BTreeSet::new(),
            left_out: LeftOut::default(),
        }
    }

    /// Those that lie in these words. There is one writer of them at a time, which is for others to
    /// see to. What is not valid any more, since the upstream has changed, does not count, and goes
    /// with the first list.
    pub fn shared(rules: Rules, words: &'w [AtomicU64]) -> Self {
        let writer = MapWriter::take_over(words, false);
        let groups = writer.entries().filter_map(|entry| {
            let group = spelling::read(&entry.text)?;
            Some((Arc::from(group), Entry::parse(&entry.value, &rules.upstream).ok()?))
        });
        let groups: BTreeMap<Arc<str>, Entry> = groups.collect();
        let changed = groups.keys().cloned().collect();
        Self { groups, writer: Some(writer), changed, ..Self::beside(rules) }
    }

    /// What they go by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How many groups have settings.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The settings of a group, if it has some.
    pub fn get(&self, group: &str) -> Option<&Entry> {
        self.groups.get(group)
    }

    /// The groups whose settings may be others than at the last call.
    pub fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        mem::take(&mut self.changed)
    }

    /// Whether a list could bring settings that are not there: those that were left out may have
    /// room now.
    pub fn wants_list(&self) -> bool {
        let Some(writer) = &self.writer else { return false };
        let free = writer.bytes_total().saturating_sub(writer.bytes_used());
        !self.left_out.needed.is_empty() && free > self.left_out.left + writer.bytes_total() / PART
    }

    /// Says that this is what etcd has.
    pub fn publish(&mut self, tag: Tag) {
        if let Some(writer) = &mut self.writer {
            writer.publish(tag);
        }
    }

    /// These take the place of those in the words, whose writer is no more.
    pub fn succeed(&mut self, words: &'w [AtomicU64]) -> Update {
        let own = mem::replace(self, Self::shared(self.rules.clone(), words));
        let mut update = Update::default();
        self.retain(|group| own.groups.contains_key(group), &mut update);
        for (group, entry) in own.groups {
            self.put_entry(&group, entry, group.as_bytes(), &mut update);
        }
        update
    }

    /// Takes a fresh list of all keys, with their values: what it lacks is gone, what it has
    /// malformed keeps its last good value.
    pub fn replace<'i>(&mut self, items: impl IntoIterator<Item = (&'i [u8], &'i [u8])>) -> Update {
        self.left_out = LeftOut::default();
        let items: Vec<_> = items.into_iter().collect();
        let listed: BTreeSet<&[u8]> = items.iter().map(|(key, _)| *key).collect();
        let mut update = Update::default();
        self.retain(|group| listed.contains(group.as_bytes()), &mut update);
        for (key, value) in items {
            self.put_value(key, value, &mut update);
        }
        update
    }

    /// Takes one key's new value.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Update {
        let mut update = Update::default();
        self.left_out.needed.remove(key);
        self.put_value(key, value, &mut update);
        update
    }

    /// A key is gone. Returns whether settings are gone with it.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        self.left_out.needed.remove(key);
        let Ok(group) = str::from_utf8(key) else { return false };
        let Some((group, _)) = self.groups.remove_entry(group) else { return false };
        if let Some(writer) = &mut self.writer
            && let Some(name) = Name::exact(&spelling::spell(&group))
        {
            writer.delete(&name);
        }
        self.changed.insert(group);
        true
    }

    fn put_value(&mut self, key: &[u8], value: &[u8], update: &mut Update) {
        // A key that is the prefix itself is one that somebody has written about it.
        if key.is_empty() {
            return;
        }
        let taken = self
            .group_of(key)
            .and_then(|group| Ok((Arc::from(group), Entry::parse(value, &self.rules.upstream)?)));
        match taken {
            Ok((group, entry)) => self.put_entry(&group, entry, key, update),
            Err(error) => update.rejected.push(Rejected { key: key.to_vec(), error }),
        }
    }

    fn put_entry(&mut self, group: &Arc<str>, entry: Entry, key: &[u8], update: &mut Update) {
        if self.groups.get(group).is_some_and(|known| known.text == entry.text) {
            return;
        }
        if let Err(full) = self.write(group, entry.text.as_bytes()) {
            self.left_out.needed.insert(key.to_vec(), full.needed);
            self.left_out.left = full.left;
            let all = self.writer.as_ref().map_or(0, MapWriter::bytes_used)
                + self.left_out.needed.values().sum::<usize>();
            let error = SettingsError::NoRoom { full, all };
            update.rejected.push(Rejected { key: key.to_vec(), error });
            return;
        }
        let known = match self.groups.entry(Arc::clone(group)) {
            btree_map::Entry::Vacant(place) => {
                place.insert(entry);
                None
            }
            btree_map::Entry::Occupied(mut known) => Some((known.insert(entry.clone()), entry)),
        };
        // Another text may say the same.
        let is_same = known.is_some_and(|(known, entry)| known.settings == entry.settings);
        if !is_same {
            update.is_changed = true;
            self.changed.insert(Arc::clone(group));
        }
    }

    fn write(&mut self, group: &str, text: &[u8]) -> Result<(), Full> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let spelled = spelling::spell(group);
        match Name::exact(&spelled) {
            Some(name) => writer.put(&name, text).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Keeps the groups that `is_wanted` says so of.
    fn retain(&mut self, is_wanted: impl Fn(&str) -> bool, update: &mut Update) {
        let gone: Vec<Arc<str>> =
            self.groups.keys().filter(|group| !is_wanted(group)).cloned().collect();
        for group in gone {
            update.is_changed = true;
            self.groups.remove(&group);
            self.changed.insert(group);
        }
        if let Some(writer) = &mut self.writer {
            let groups = &self.groups;
            // Also what lies there and is not valid any more.
            writer.retain(|name| {
                spelling::read(name.text()).is_some_and(|group| groups.contains_key(&*group))
            });
        }
    }

    /// The group of a key below the prefix.
    fn group_of<'k>(&self, key: &'k [u8]) -> Result<&'k str, SettingsError> {
        let group = str::from_utf8(key).map_err(|_| SettingsError::KeyNotUtf8)?;
        if group.len() > MAX_GROUP {
            return Err(SettingsError::KeyTooLong(group.len()));
        }
        if self.rules.is_by_key && group.contains('/') {
            return Err(SettingsError::Slash(Excerpt::new(group)));
        }
        Ok(group)
    }
}

/// How many bytes of a map the settings of a group take.
pub fn bytes_of(group: &str, value: usize) -> usize {
    Name::exact(&spelling::spell(group)).map_or(0, |name| bytes_for(&name, value))
}
