//! The one type of a scalar in [`crate::raw`]: a place in the file where a `T` is expected. The text
//! stays in the tree until [`crate::source`] reads it, so that a raw value cannot print a secret and
//! every error knows its line.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Visitor};

use crate::tree::NodeId;

/// How [`crate::reader`] knows that a [`Text`] is asked for.
pub(crate) const TEXT: &str = "nearway text";

/// A scalar that should hold a `T`.
pub(crate) struct Text<T> {
    /// `None`: the file has no scalar here, which is already reported.
    pub(crate) node: Option<NodeId>,
    holds: PhantomData<fn() -> T>,
}

/// What a value looks like to an editor, by JSON schema.
pub(crate) trait Sketch {
    fn sketch() -> Schema;
}

impl<T> Clone for Text<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Text<T> {}

impl<T> fmt::Debug for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({:?})", self.node)
    }
}

impl<'de, T> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = deserializer.deserialize_newtype_struct(TEXT, Place)?;
        Ok(Self { node, holds: PhantomData })
    }
}

impl<T: Sketch> JsonSchema for Text<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        TEXT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::sketch()
    }
}

struct Place;

impl Visitor<'_> for Place {
    type Value = Option<NodeId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader of nearway-config")
    }

    fn visit_u64<E>(self, index: u64) -> Result<Self::Value, E> {
        Ok(Some(NodeId::from_index(index)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
