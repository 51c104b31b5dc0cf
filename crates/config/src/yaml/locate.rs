//! A walk to one node that ends there with an error, because the YAML crate tells a place only
//! through an error. Whatever the error says is dropped; only its place is used.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Refuses the node at the end of `positions`: for an entry of a mapping its key.
pub(crate) struct Locate<'p> {
    positions: &'p [usize],
}

impl<'p> Locate<'p> {
    pub(crate) fn new(positions: &'p [usize]) -> Self {
        Self { positions }
    }
}

/// The error that a deserializer gives for any content at all: its place is where that begins.
pub(crate) fn nothing_but<'de, D>(deserializer: D) -> D::Error
where
    D: Deserializer<'de>,
{
    match deserializer.deserialize_any(Refuse) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.positions.is_empty() {
            return Err(nothing_but(deserializer));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Locate<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the node on the way")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((position, rest)) = self.positions.split_first() else { return Ok(()) };
        for _ in 0..*position {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Locate { positions: rest })?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((position, rest)) = self.positions.split_first() else { return Ok(()) };
        for _ in 0..*position {
            entries.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if rest.is_empty() {
            entries.next_key_seed(Locate { positions: rest })?;
            return Ok(());
        }
        entries.next_key::<IgnoredAny>()?;
        entries.next_value_seed(Locate { positions: rest })
    }
}

/// Takes nothing: each of serde's default methods is an error.
struct Refuse;

/// No value of it exists.
enum Never {}

impl Visitor<'_> for Refuse {
    type Value = Never;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}
