//! Who is asking? Extraction of credentials is pure; `near` and `resolve` ask the store.

mod ahead;
mod confirmed;
pub mod credential;
pub mod hot;
pub mod near;
mod owners;
pub mod resolve;
pub mod unresolved;

#[cfg(test)]
mod tests;
