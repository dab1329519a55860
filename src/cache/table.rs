//! A bounded map, of one worker or of one shard. Room is made by the clock: a hand goes round over the
//! entries, and the first that is worth no room, or that nobody asked for since the hand was there last,
//! goes. What is asked for once pushes out what is asked for once.
//!
//! Invariant: there are never more entries than `most`.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use hashbrown::HashTable;

/// Entries that are looked at for each that comes in: what is worth no room goes before its room is
/// needed.
const SWEPT_PER_ENTRY: usize = 2;

/// A bounded map.
pub struct Table<K, V, S> {
    /// Where in `entries` a key is.
    places: HashTable<u32>,
    entries: Vec<Entry<K, V>>,
    most: usize,
    /// Where room is made next.
    hand: usize,
    /// Where is swept next.
    broom: usize,
    hasher: S,
}

struct Entry<K, V> {
    key: K,
    value: V,
    /// Whether anybody asked for it since the hand was here.
    used: bool,
}

impl<K: Hash + Eq, V, S: BuildHasher> Table<K, V, S> {
    /// An empty table of at most `most` entries, at least one. It takes no room yet.
    pub fn new(most: usize, hasher: S) -> Self {
        let (places, entries) = (HashTable::new(), Vec::new());
        Self { places, entries, most: most.max(1), hand: 0, broom: 0, hasher }
    }

    /// Entries now.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// What is kept under `key`, if it `counts`. What does not stays where it is: whoever asks anew puts
    /// the answer in its place.
    pub fn get<Q: Hash + Eq + ?Sized>(
        &mut self,
        key: &Q,
        counts: impl FnOnce(&V) -> bool,
    ) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key)?;
        let entry = &mut self.entries[place];
        if !counts(&entry.value) {
            return None;
        }
        entry.used = true;
        Some(&entry.value)
    }

    /// Takes out what is kept under `key`.
    pub fn take<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key)?;
        Some(self.remove(place))
    }

    /// Keeps `value` under `key`, instead of what was there. Where there is no room, something goes that
    /// is `worth` none, or was not asked for lately.
    pub fn put(&mut self, key: K, value: V, worth: impl Fn(&V) -> bool) {
        if let Some(place) = self.place(&key) {
            self.entries[place].value = value;
            return;
        }
        self.sweep(&worth);
        if self.entries.len() >= self.most {
            self.make_room(worth);
        }
        let (hash, place) = (self.hasher.hash_one(&key), number(self.entries.len()));
        self.entries.push(Entry { key, value, used: false });
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash_of = |place: &u32| hasher.hash_one(&entries[*place as usize].key);
        self.places.insert_unique(hash, place, hash_of);
    }

    fn place<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let is_it = |place: &u32| self.entries[*place as usize].key.borrow() == key;
        self.places.find(self.hasher.hash_one(key), is_it).map(|place| *place as usize)
    }

    /// Takes out what is worth no room, some entries at a time.
    fn sweep(&mut self, worth: impl Fn(&V) -> bool) {
        for _ in 0..SWEPT_PER_ENTRY.min(self.entries.len()) {
            self.broom = if self.broom < self.entries.len() { self.broom } else { 0 };
            if self.entries.get(self.broom).is_some_and(|entry| !worth(&entry.value)) {
                self.remove(self.broom);
            } else {
                self.broom += 1;
            }
        }
    }

    fn make_room(&mut self, worth: impl Fn(&V) -> bool) {
        // Twice round at most: the first time round every mark is taken away.
        for _ in 0..=2 * self.entries.len() {
            self.hand = if self.hand < self.entries.len() { self.hand } else { 0 };
            let Some(entry) = self.entries.get_mut(self.hand) else { return };
            if entry.used && worth(&entry.value) {
                entry.used = false;
                self.hand += 1;
            } else {
                self.remove(self.hand);
                return;
            }
        }
    }

    /// Takes an entry out; the last one takes its place.
    fn remove(&mut self, place: usize) -> (K, V) {
        let Entry { key, value, .. } = self.entries.swap_remove(place);
        let at = number(place);
        if let Ok(found) = self.places.find_entry(self.hasher.hash_one(&key), |it| *it == at) {
            found.remove();
        }
        if let Some(moved) = self.entries.get(place) {
            let (hash, before) = (self.hasher.hash_one(&moved.key), number(self.entries.len()));
            if let Some(found) = self.places.find_mut(hash, |it| *it == before) {
                *found = at;
            }
        }
        (key, value)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "no table has 2^32 entries")]
fn number(place: usize) -> u32 {
    place as u32
}
