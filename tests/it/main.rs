//! Whole-gateway tests: the real binary, real sockets, a real Redis, a backend that records what it
//! gets. Each topic is a module; what they share is in `harness`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

mod admin;
mod answers;
mod backend_http2;
mod backend_tls;
mod balancing;
mod believed;
mod cli;
mod connections;
mod demo;
mod differential;
mod directory_cli;
mod drain;
mod durability;
mod exhaustion;
mod explain;
mod faults;
mod faulty;
mod gauntlet;
mod grpc;
mod herd;
mod hostile;
mod http2;
mod introduced;
mod lasting;
mod layers;
mod openapi;
mod operating;
mod promises;
mod reload;
mod restarts;
mod resting;
mod sdk;
mod secrecy;
mod security;
mod stores;
mod strangers;
mod streaming;
mod tenants;
mod tls;
mod topologies;
mod tunnels;
mod usergrid;
mod way_in;
mod way_out;
mod workers;
