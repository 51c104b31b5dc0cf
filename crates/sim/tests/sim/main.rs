//! The simulator over real sockets: one module per behaviour.
#![cfg(test)]

mod chat;
mod completions;
mod connections;
mod control;
mod embeddings;
mod errors;
mod files;
mod harness;
mod models;
mod modes;
mod raw;
mod realtime;
mod responses;
mod seen;
mod tls;
