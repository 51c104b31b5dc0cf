//! The simulator over real sockets: one module per behaviour.
#![cfg(test)]

mod assistants;
mod batches;
mod chat;
mod completions;
mod connections;
mod containers;
mod control;
mod conversations;
mod embeddings;
mod errors;
mod evals;
mod files;
mod fine_tuning;
mod harness;
mod lists;
mod models;
mod modes;
mod not_here;
mod raw;
mod realtime;
mod responses;
mod seen;
mod stored;
mod threads;
mod tls;
mod uploads;
mod vector_stores;
mod videos;
