//! Tests of the workspace as a whole: one module per subject, all in one binary so that they link once.
//!
//! Each module is declared under `cfg(test)`, which is what lets its helpers panic.

#[cfg(test)]
mod architecture;
