//! The ranking as its callers see it: samples in, tables out.

#[cfg(test)]
mod against_a_model;
#[cfg(test)]
mod any_input;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod ranker;
