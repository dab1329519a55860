//! Where records live: Redis, an embedded file, or this process's memory, behind one enum.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use crate::token::record::{PrincipalState, TokenRecord};

/// The store could not answer. Never means "unknown token".
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no answer from {store} within {limit:?}")]
    TimedOut { store: String, limit: Duration },
    #[error("{store} is unreachable: {cause}")]
    Unreachable { store: String, cause: String },
    /// A record that does not fit: 503 `store_bad_record`, never a pass.
    #[error("the record of a token has no readable {field}")]
    BadRecord { field: String },
    #[error("{store} failed: {cause}")]
    Failed { store: String, cause: String },
}
