//! serde's way from a [`Tree`] into the shapes of [`crate::raw`]. It never fails: what does not fit
//! is reported and left out, so that one run finds everything. Unknown and repeated keys are found
//! here; what a value says is read later, by [`crate::source`].

use std::collections::HashSet;

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::report::Report;
use crate::text::TEXT;
use crate::tree::{NodeId, Tree, Value, shown_key};

/// Reads the value at `node`.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) report: &'a Report,
    pub(crate) node: NodeId,
}

impl<'a> Reader<'a> {
    fn at(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    fn wrong(&self, message: &str) {
        self.report.wrong(self.node, message);
    }

    /// The entries whose key occurs for the first time.
    fn entries(self) -> Option<Vec<NodeId>> {
        let Value::Map(entries) = self.tree.value(self.node) else { return None };
        let mut seen = HashSet::new();
        let first = |entry: &NodeId| {
            let is_first = seen.insert(self.tree.key(*entry));
            if !is_first {
                self.at(*entry).wrong("this key is written twice: keep one of the two");
            }
            is_first
        };
        Some(entries.iter().copied().filter(first).collect())
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Error;

    /// Nothing in [`crate::raw`] asks for it.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.tree.value(self.node) {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name != TEXT {
            return visitor.visit_newtype_struct(self);
        }
        match self.tree.value(self.node) {
            Value::Text(_) => return visitor.visit_u64(self.node.index()),
            Value::Null => self.wrong("nothing is written here: write one value"),
            Value::List(_) => self.wrong("a list: write one value instead"),
            Value::Map(_) => self.wrong("a mapping: write one value instead"),
        }
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = match self.tree.value(self.node) {
            Value::List(items) => items.as_slice(),
            _ => {
                self.wrong("write a list instead: each item on a line of its own, after `- `");
                &[]
            }
        };
        visitor.visit_seq(SeqDeserializer::new(items.iter().map(|item| self.at(*item))))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let entries = self.entries().unwrap_or_else(|| {
            self.wrong("write a mapping instead: each entry as `name: value`");
            Vec::new()
        });
        let entries = entries.into_iter().map(|entry| (self.tree.key(entry), self.at(entry)));
        visitor.visit_map(MapDeserializer::new(entries))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _shape: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut entries = self.entries().unwrap_or_else(|| {
            self.wrong(&format!(
                "write a mapping instead, with keys of these: {}",
                known.join(", ")
            ));
            Vec::new()
        });
        entries.retain(|entry| {
            let key = self.tree.key(*entry);
            let is_known = known.contains(&key);
            if !is_known {
                self.at(*entry).wrong(&unknown(key, known));
            }
            is_known
        });
        let entries = entries.into_iter().map(|entry| (self.tree.key(entry), self.at(entry)));
        visitor.visit_map(MapDeserializer::new(entries))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

impl IntoDeserializer<'_> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    if key == "<<" {
        return "merge keys are not supported: write the keys out".to_owned();
    }
    if shown_key(key) != key && key.contains(':') {
        return "unknown key: put a blank after the `:`".to_owned();
    }
    match nearest(key, known) {
        Some(near) => format!("unknown key: did you mean `{near}`?"),
        None => format!("unknown key: the keys here are {}", known.join(", ")),
    }
}

/// The known word that a misspelt one most likely stands for.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    /// No known word is nearly as long; a comparison takes time by the product of both lengths.
    const LONGEST: usize = 32;
    if word.len() > LONGEST {
        return None;
    }
    let word = word.replace(['-', ' '], "_").to_ascii_lowercase();
    let distance = |known: &&'k str| strsim::damerau_levenshtein(&word, known);
    let near = known.iter().copied().min_by_key(distance)?;
    // one slip in three letters
    if distance(&near) * 3 <= word.len().max(3) {
        return Some(near);
    }
    // `ca` for `ca_file`, `base_url` for `url`: all words of the one are in the other
    let mut kin = known.iter().copied().filter(|known| {
        let holds = |all: &str, few: &str| few.split('_').all(|w| all.split('_').any(|a| a == w));
        holds(&word, known) || holds(known, &word)
    });
    kin.next().filter(|_| kin.next().is_none())
}

/// Whether a key that is written most likely stands for this one.
pub(crate) fn is_slip_for(key: &str, known: &str) -> bool {
    nearest(key, &[known]).is_some()
}
