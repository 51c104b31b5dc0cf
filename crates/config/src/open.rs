//! A quantity that may be left to Nearway (`workers: auto`) or without a bound (`body: none`).

use std::marker::PhantomData;

use schemars::{Schema, json_schema};

use crate::text::Sketch;
use crate::units::Unit;

/// Marks a text that holds a quantity or one certain word.
pub(crate) trait Open {
    type Of: Unit;
    const WORD: &'static str;
}

/// `auto` or a quantity.
pub(crate) struct OrAuto<T>(PhantomData<T>);

/// `none` or a quantity.
pub(crate) struct OrNone<T>(PhantomData<T>);

impl<T: Unit> Open for OrAuto<T> {
    type Of = T;
    const WORD: &'static str = "auto";
}

impl<T: Unit> Open for OrNone<T> {
    type Of = T;
    const WORD: &'static str = "none";
}

impl<T: Unit> Sketch for OrAuto<T> {
    fn sketch() -> Schema {
        json_schema!({"anyOf": [{"const": Self::WORD}, T::sketch()]})
    }
}

impl<T: Unit> Sketch for OrNone<T> {
    fn sketch() -> Schema {
        json_schema!({"anyOf": [{"const": Self::WORD}, T::sketch()]})
    }
}
