//! What holds for any input: answers do not depend on how bytes arrive, replacements touch nothing else,
//! and nothing panics.

#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod kin;
#[cfg(test)]
mod model;
#[cfg(test)]
mod pieces;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod websocket;
