//! Text to [`Tree`] in two passes, because serde tells either what a value is or how it was written:
//! [`Grow`] makes the nodes, [`Fill`] gives each scalar its text (`1.10` must not become `1.1`).
//! Aliases are followed, so what they grow into is bounded here.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};

use super::locate::nothing_but;
use crate::tree::{NodeId, Step, Tree, Value};

/// Values in a file, after aliases are followed: some 3,000 regions with every key.
const MAX_NODES: usize = 50_000;
/// Bytes of scalars in a file, after aliases are followed.
const MAX_TEXT_BYTES: usize = 2 * super::MAX_FILE_BYTES;

/// Why a file that is YAML still is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("nested too deeply: no key of Nearway lies deeper than four levels")]
    TooDeep,
    #[error("too many values, or aliases that grow without bound: write the values out")]
    TooMuch,
    #[error("a tag (`!…`): leave it out")]
    Tagged,
    #[error(
        "a key that is a list or a mapping: write a name; quote a value that begins with [ or {{"
    )]
    KeyNotText,
}

/// The first pass: nodes without the text of their scalars.
pub(crate) struct Grow {
    pub(crate) tree: Tree,
    /// Set with the error that ended the pass.
    pub(crate) fault: Option<Fault>,
    bytes: usize,
}

impl Grow {
    pub(crate) fn new() -> Self {
        Self { tree: Tree::new(), fault: None, bytes: 0 }
    }

    /// What grows the root.
    pub(crate) fn root(&mut self) -> Content<'_> {
        Content { grow: self, node: NodeId::ROOT }
    }

    fn refuse<E: serde::de::Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom(fault)
    }

    fn count<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_TEXT_BYTES {
            return Err(self.refuse(Fault::TooMuch));
        }
        Ok(())
    }
}

/// Makes a node where there is a value.
struct Child<'g> {
    grow: &'g mut Grow,
    parent: NodeId,
    step: Step,
    position: usize,
}

impl<'de> DeserializeSeed<'de> for Child<'_> {
    type Value = NodeId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeId, D::Error> {
        let Self { grow, parent, step, position } = self;
        if grow.tree.len() >= MAX_NODES {
            grow.fault = Some(Fault::TooMuch);
            return Err(nothing_but(deserializer));
        }
        let node = grow.tree.add(parent, step, position);
        deserializer.deserialize_any(Content { grow, node })?;
        Ok(node)
    }
}

/// Gives a node its value.
pub(crate) struct Content<'g> {
    grow: &'g mut Grow,
    node: NodeId,
}

impl Content<'_> {
    fn scalar<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        self.grow.count(bytes)?;
        self.grow.tree.set(self.node, Value::Text(String::new()));
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar(0)
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar(0)
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<(), E> {
        self.scalar(0)
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar(0)
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<(), E> {
        self.scalar(0)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar(0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.scalar(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { grow, node: parent } = self;
        let mut children = Vec::new();
        loop {
            let position = children.len();
            let child = Child { grow: &mut *grow, parent, step: Step::Item, position };
            let Some(child) = items.next_element_seed(child)? else { break };
            children.push(child);
        }
        grow.tree.set(parent, Value::List(children));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { grow, node: parent } = self;
        let mut children = Vec::new();
        loop {
            // an error from here to the next line is about the key
            grow.fault = Some(Fault::KeyNotText);
            let key = entries.next_key::<String>()?;
            grow.fault = None;
            let Some(key) = key else { break };
            grow.count(key.len())?;
            let (step, position) = (Step::Key(key), children.len());
            let child = Child { grow: &mut *grow, parent, step, position };
            children.push(entries.next_value_seed(child)?);
        }
        grow.tree.set(parent, Value::Map(children));
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.grow.refuse(Fault::Tagged))
    }
}

/// The second pass: the text of each scalar, as it was written.
pub(crate) struct Fill<'t> {
    pub(crate) tree: &'t mut Tree,
    pub(crate) node: NodeId,
}

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.tree.value(self.node) {
            Value::Null => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            Value::Text(_) => deserializer.deserialize_str(self),
            Value::List(_) => deserializer.deserialize_seq(self),
            Value::Map(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the first pass saw")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.tree.set(self.node, Value::Text(text.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for node in self.tree.children(self.node) {
            items.next_element_seed(Fill { tree: &mut *self.tree, node })?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        for node in self.tree.children(self.node) {
            if entries.next_key::<IgnoredAny>()?.is_none() {
                return Err(A::Error::custom("fewer entries than the first pass saw"));
            }
            entries.next_value_seed(Fill { tree: &mut *self.tree, node })?;
        }
        Ok(())
    }
}
