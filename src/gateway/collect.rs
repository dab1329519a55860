//! The whole body of a request that we answer ourselves. Whoever sends one may be anybody: what all of
//! them may make us hold is bounded, and so is how long they may take.

use std::{ops::Deref, time::Duration};

use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Refusal;
use crate::{
    tick,
    upstream::{BodyFault, UpstreamError},
    usergrid::Fault,
    wire::ClientBody,
};

/// A grant is a name and a password.
pub(super) const GRANT_BYTES_MAX: usize = 16 * 1024;
/// A registration with its properties.
pub(super) const GUEST_BYTES_MAX: usize = 64 * 1024;
/// A batch of users.
pub(super) const CALLER_BYTES_MAX: usize = 256 * 1024;

/// Longest wait for a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// What all bodies together may take, KiB: a thousand guests that send as slowly as they may.
static ROOM: Semaphore = Semaphore::const_new(64 * 1024);

/// A body, and its share of the room.
pub(super) struct Collected {
    bytes: Vec<u8>,
    room: Option<SemaphorePermit<'static>>,
}

impl Deref for Collected {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads `body`, at most `most` bytes of it.
///
/// # Errors
/// [`Refusal`] for one that is too large, too slow or cut, or when there is no room.
pub(super) async fn collect(body: ClientBody, most: usize) -> Result<Collected, Refusal> {
    let declared = body.size_hint().lower();
    if usize::try_from(declared).map_or(true, |declared| declared > most) {
        return Err(Refusal::BodyTooLarge);
    }
    tick::timeout(BODY_TIME, read(body, most))
        .await
        .unwrap_or(Err(UpstreamError::Body(BodyFault::TooSlow).into()))
}

async fn read(mut body: ClientBody, most: usize) -> Result<Collected, Refusal> {
    let mut collected = Collected { bytes: Vec::new(), room: None };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| UpstreamError::Body(BodyFault::Cut))?;
        let Ok(data) = frame.into_data() else { continue };
        if collected.bytes.len() + data.len() > most {
            return Err(Refusal::BodyTooLarge);
        }
        collected.take_room_for(data.len())?;
        collected.bytes.extend_from_slice(&data);
    }
    Ok(collected)
}

impl Collected {
    fn take_room_for(&mut self, more: usize) -> Result<(), Refusal> {
        let held = self.room.as_ref().map_or(0, SemaphorePermit::num_permits);
        let wanted = (self.bytes.len() + more).div_ceil(1024).saturating_sub(held);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let taken = ROOM.try_acquire_many(wanted).map_err(|_| Fault::crowded())?;
        match &mut self.room {
            Some(room) => room.merge(taken),
            None => self.room = Some(taken),
        }
        Ok(())
    }
}
