//! The files we ship.
