//! YAML text to a checked configuration, or a precise error.
pub mod model;
