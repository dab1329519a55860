//! Who is asking? Extraction of credentials is pure; `near` and `resolve` ask the store.

pub mod credential;
