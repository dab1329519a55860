//! Tokens in use whose answers soon count no more are asked for before that, so that no request waits for
//! it, and a fleet that was filled at once does not ask at once.
//!
//! Invariant: whoever waits goes first. What is asked ahead takes no turn that somebody may want, and where
//! there is no answer the entry lives to its end as if nobody had asked.

use std::time::SystemTime;

use super::{
    confirmed::Confirmed,
    resolve::{Proof, Resolver},
};
use crate::token::ttl::unix_ms;

impl Resolver {
    /// The tokens of this worker that were used since the last call and should be asked for ahead.
    #[must_use]
    pub fn take_due(&self) -> Vec<Box<str>> {
        self.hot.borrow_mut().take_due()
    }

    /// Asks for `token` ahead, unless another worker has: then what that one was told is taken over.
    pub async fn renew(&self, token: &str) {
        let now_ms = unix_ms(SystemTime::now());
        let (Ok(proof), Some(_turn)) = (self.prove(token, now_ms), self.store().spare_turn())
        else {
            return;
        };
        let key = proof.key();
        let confirmed: Option<Confirmed> = match proof {
            Proof::Own(verified) => self.near().renew(key, self.ask_own(verified)).await,
            Proof::Foreign(layout, _) => {
                self.near().renew(key, self.ask_foreign(token, &layout)).await
            }
        };
        if let Some(confirmed) = confirmed {
            self.remember(token, confirmed);
        }
    }
}
