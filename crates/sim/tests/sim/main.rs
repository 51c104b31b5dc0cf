//! The simulator over real sockets: one module per behaviour.
#![cfg(test)]

mod batches;
mod chat;
mod completions;
mod connections;
mod control;
mod embeddings;
mod errors;
mod files;
mod fine_tuning;
mod harness;
mod models;
mod modes;
mod raw;
mod realtime;
mod responses;
mod seen;
mod tls;
mod uploads;
