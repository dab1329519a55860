//! Documents of the directory: what organizations, applications, users and roles are kept as. Each has
//! a name within a slot; a slot's documents change together or not at all.

use uuid::Uuid;

/// What changes in one step: on a Redis cluster, what one node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Organizations, admins, the names of applications, memberships and clients.
    Directory,
    /// One application's users, groups and roles.
    Application(Uuid),
}

impl std::fmt::Display for Slot {
    /// `dir`, or the application's UUID in hexadecimal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory => f.write_str("dir"),
            Self::Application(id) => write!(f, "{}", id.simple()),
        }
    }
}

impl Slot {
    /// The text under which every store keeps `name`: unique among all slots and names.
    pub(super) fn key(self, name: &str) -> String {
        format!("{{{self}}}{name}")
    }
}

/// The key of one document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DocumentKey {
    /// Where it is kept.
    pub slot: Slot,
    /// Its name there, such as `user:<uuid>`. Any text without a control character.
    pub name: String,
}

impl std::fmt::Display for DocumentKey {
    /// `{dir}org:…`: unique among all documents.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.slot.key(&self.name))
    }
}

/// A write of several documents of one slot, made whole if everything expected holds, or not at all.
/// No `Debug`: documents hold password hashes.
#[derive(Clone)]
pub struct Commit {
    /// The slot of every name below.
    pub slot: Slot,
    /// What must be there, byte for byte, before anything changes; `None`: nothing under this name.
    pub expects: Vec<(String, Option<Vec<u8>>)>,
    /// What changes then.
    pub changes: Vec<Change>,
}

impl Commit {
    /// Whether it changes or removes something that was there before, by which somebody may lose a right.
    /// What only makes something new takes nothing from anybody.
    pub(super) fn may_take_away(&self) -> bool {
        let is_new =
            |name: &String| self.expects.iter().any(|(it, was)| it == name && was.is_none());
        self.changes.iter().any(|change| match change {
            Change::Put { name, .. } => !is_new(name),
            Change::Delete { .. } | Change::Remove { .. } => true,
            Change::Add { .. } => false,
        })
    }
}

/// One change of a [`Commit`].
#[derive(Clone)]
pub enum Change {
    /// Writes a document.
    Put {
        /// Its name.
        name: String,
        /// Its new content.
        value: Vec<u8>,
    },
    /// Removes a document, if it is there.
    Delete {
        /// Its name.
        name: String,
    },
    /// Adds a member to a set, which exists from its first member to its last.
    Add {
        /// The set's name; never that of a document.
        set: String,
        /// What is added; adding twice changes nothing.
        member: String,
    },
    /// Removes a member from a set, if it is there.
    Remove {
        /// The set's name.
        set: String,
        /// What is removed.
        member: String,
    },
}

/// How often something was counted in the window that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How often, this time included.
    pub count: u32,
    /// Until the window ends and counting begins anew.
    pub left: std::time::Duration,
}

impl super::Store {
    /// The documents under `keys`, in their order; `None` for one that is not there. They need not be
    /// of one moment: whoever relies on that expects them in a [`Commit`].
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when the store cannot tell.
    pub async fn documents(
        &self,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Vec<u8>>>, super::StoreError> {
        match self {
            Self::Redis(store) => store.documents(keys).await,
            Self::File(store) => store.documents(keys),
            Self::Memory(store) => Ok(store.documents(keys)),
        }
    }

    /// Makes a commit. `false`: something expected did not hold, and nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when it is not certain that it was made.
    pub async fn commit(&self, commit: Commit) -> Result<bool, super::StoreError> {
        match self {
            Self::Redis(store) => store.commit(&commit).await,
            Self::File(store) => store.commit(commit).await,
            Self::Memory(store) => store.commit(commit),
        }
    }

    /// Waits until what this slot holds now is as safe as an acknowledged commit that takes access away.
    /// For whoever finds that such a commit has nothing to do any more: an earlier one may have done it
    /// and not been acknowledged.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when that is not certain.
    pub async fn confirm(&self, slot: Slot) -> Result<(), super::StoreError> {
        match self {
            Self::Redis(store) => store.confirm(slot).await,
            // What is read there is on the disk, or nowhere else.
            Self::File(_) | Self::Memory(_) => Ok(()),
        }
    }

    /// Up to `limit` members of a set in the order of their bytes, those after `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when the store cannot tell.
    pub async fn members(
        &self,
        slot: Slot,
        set: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, super::StoreError> {
        match self {
            Self::Redis(store) => store.members(slot, set, after, limit).await,
            Self::File(store) => store.members(slot, set, after, limit),
            Self::Memory(store) => Ok(store.members(slot, set, after, limit)),
        }
    }

    /// How many members a set has.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when the store cannot tell.
    pub async fn count_members(&self, slot: Slot, set: &str) -> Result<usize, super::StoreError> {
        match self {
            Self::Redis(store) => store.count_members(slot, set).await,
            Self::File(store) => store.count_members(slot, set),
            Self::Memory(store) => Ok(store.count_members(slot, set)),
        }
    }

    /// Keeps `record` under `id` as it is; its generation is the caller's to know.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when it is not certain that the record is kept.
    pub async fn keep(
        &self,
        id: Uuid,
        record: &crate::token::record::TokenRecord,
    ) -> Result<(), super::StoreError> {
        match self {
            Self::Redis(store) => store.keep(id, record).await,
            Self::File(store) => store.keep(id, record).await,
            Self::Memory(store) => store.keep(id, record),
        }
    }

    /// Counts one more of `key` in the window that runs, or in a new one.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when the store cannot count.
    pub async fn tally(
        &self,
        key: &str,
        window: std::time::Duration,
    ) -> Result<Tally, super::StoreError> {
        match self {
            Self::Redis(store) => store.tally(key, window).await,
            Self::File(store) => store.tally(key, window),
            Self::Memory(store) => store.tally(key, window),
        }
    }

    /// How often `key` was counted in the window that runs.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when the store cannot tell.
    pub async fn tallied(&self, key: &str) -> Result<u32, super::StoreError> {
        match self {
            Self::Redis(store) => store.tallied(key).await,
            Self::File(store) => Ok(store.tallied(key)),
            Self::Memory(store) => Ok(store.tallied(key)),
        }
    }

    /// Takes one count of `key` back, if there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when the store cannot count.
    pub async fn untally(&self, key: &str) -> Result<(), super::StoreError> {
        match self {
            Self::Redis(store) => store.untally(key).await?,
            Self::File(store) => store.untally(key),
            Self::Memory(store) => store.untally(key),
        }
        Ok(())
    }

    /// Forgets every count of `key`.
    ///
    /// # Errors
    ///
    /// [`StoreError`](super::StoreError) when the store cannot count.
    pub async fn forget_tally(&self, key: &str) -> Result<(), super::StoreError> {
        match self {
            Self::Redis(store) => store.forget_tally(key).await?,
            Self::File(store) => store.forget_tally(key),
            Self::Memory(store) => store.forget_tally(key),
        }
        Ok(())
    }
}
