//! `tables` has the cases that a person would name, `laws` what holds for all of them.

mod diff;
mod laws;
mod oracle;
mod tables;
