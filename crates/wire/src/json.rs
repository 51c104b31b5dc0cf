//! JSON as it is read here: in one pass over chunks that are cut anywhere, building nothing.
//!
//! The scan of a request's body and that of an answer share this; each knows the members it asks for.

pub(crate) mod encoded;
pub(crate) mod key;
pub(crate) mod text;
pub(crate) mod walk;
