//! Tests of the whole language: files in, reports out.
