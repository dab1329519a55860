//! Tollgate: an authentication gateway for APIs that have no authentication of their own.
#![allow(missing_docs, dead_code, unused, unreachable_pub, reason = "skeleton")]

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod policy;
pub mod principal;
pub mod request;
pub mod secret;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tick;
pub mod token;
pub mod upstream;
