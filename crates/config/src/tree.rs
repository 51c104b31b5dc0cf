//! A parsed file as plain nodes: what stands where, with the text of every scalar as it was
//! written. Built by [`crate::yaml`], read by [`crate::reader`]; knows nothing of YAML or of keys.

use std::fmt::Write as _;

/// A node of one [`Tree`]; meaningless in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

impl NodeId {
    /// Every tree has one.
    pub(crate) const ROOT: Self = Self(0);

    /// For [`crate::reader`], which hands ids through serde's data model.
    pub(crate) fn from_index(index: u64) -> Self {
        Self(usize::try_from(index).unwrap_or(usize::MAX))
    }

    pub(crate) fn index(self) -> u64 {
        u64::try_from(self.0).unwrap_or(u64::MAX)
    }
}

/// All nodes of a file. No `Debug` of the content: it holds secrets.
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

pub(crate) struct Node {
    parent: NodeId,
    step: Step,
    /// Among its siblings, from 0: what finds it again in the text.
    position: usize,
    value: Value,
}

/// How a node is reached from its parent.
pub(crate) enum Step {
    Root,
    Key(String),
    Item,
}

pub(crate) enum Value {
    /// Left empty, `null` or `~`.
    Null,
    /// Any scalar, as written, quotes and escapes resolved.
    Text(String),
    List(Vec<NodeId>),
    /// Entries in the order of the file, repeated keys included.
    Map(Vec<NodeId>),
}

impl Tree {
    /// A root that is null.
    pub(crate) fn new() -> Self {
        let root = Node { parent: NodeId::ROOT, step: Step::Root, position: 0, value: Value::Null };
        Self { nodes: vec![root] }
    }

    /// Adds a null child; the caller sets its value and lists it in its parent's.
    pub(crate) fn add(&mut self, parent: NodeId, step: Step, position: usize) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node { parent, step, position, value: Value::Null });
        id
    }

    /// No effect on an id of another tree.
    pub(crate) fn set(&mut self, id: NodeId, value: Value) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.value = value;
        }
    }

    /// Null for an id of another tree.
    pub(crate) fn value(&self, id: NodeId) -> &Value {
        self.nodes.get(id.0).map_or(&Value::Null, |node| &node.value)
    }

    /// The items of a list or the entries of a mapping; none of anything else.
    pub(crate) fn children(&self, id: NodeId) -> Vec<NodeId> {
        match self.value(id) {
            Value::List(children) | Value::Map(children) => children.clone(),
            Value::Null | Value::Text(_) => Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The key of an entry; empty for anything else.
    pub(crate) fn key(&self, id: NodeId) -> &str {
        match self.nodes.get(id.0).map(|node| &node.step) {
            Some(Step::Key(key)) => key,
            _ => "",
        }
    }

    /// The first entry of the mapping at `id` that has this key.
    pub(crate) fn entry(&self, id: NodeId, key: &str) -> Option<NodeId> {
        match self.value(id) {
            Value::Map(entries) => entries.iter().copied().find(|entry| self.key(*entry) == key),
            _ => None,
        }
    }

    /// Key path for people, such as `regions[0].url`; empty for the root.
    pub(crate) fn path(&self, id: NodeId) -> String {
        let mut path = String::new();
        for node in self.way(id) {
            match &node.step {
                Step::Root => {}
                Step::Item => {
                    // writing into a string cannot fail
                    let _ = write!(path, "[{}]", node.position);
                }
                Step::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&shown_key(key));
                }
            }
        }
        path
    }

    /// Which child to take at each step from the root to `id`.
    pub(crate) fn positions(&self, id: NodeId) -> Vec<usize> {
        let steps = self.way(id).filter(|node| !matches!(node.step, Step::Root));
        steps.map(|node| node.position).collect()
    }

    /// The entry of the root that was begun last; the root itself if there is none.
    pub(crate) fn newest_top(&self) -> NodeId {
        let is_top = |node: &Node| node.parent == NodeId::ROOT && !matches!(node.step, Step::Root);
        self.nodes.iter().rposition(is_top).map_or(NodeId::ROOT, NodeId)
    }

    /// From the root to `id`.
    fn way(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        let mut way = Vec::new();
        let mut next = self.nodes.get(id.0);
        while let Some(node) = next {
            way.push(node);
            next = match node.step {
                Step::Root => None,
                Step::Key(_) | Step::Item => self.nodes.get(node.parent.0),
            };
        }
        way.into_iter().rev()
    }
}

/// A key as a message may show it: one short line. A key that no one would choose is elided, since
/// a missing blank (`{api_key:SECRET}`) or a lost one (`{SECRET}`) turns a value into a key.
pub(crate) fn shown_key(key: &str) -> String {
    /// As long as the longest name of a deployment.
    const LONGEST: usize = 64;
    /// No key and no model has a word of letters and digits that is as long; an Azure key has 32.
    const LONGEST_WORD: usize = 16;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let random = |word: &str| {
        word.len() > LONGEST_WORD
            && word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_alphabetic())
    };
    let choosable = !key.is_empty()
        && key.len() <= LONGEST
        && key.chars().all(plain)
        && !key.split(|c: char| !c.is_ascii_alphanumeric()).any(random);
    if choosable { key.to_owned() } else { "…".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_keys_and_items() {
        let mut tree = Tree::new();
        let regions = tree.add(NodeId::ROOT, Step::Key("regions".into()), 3);
        let first = tree.add(regions, Step::Item, 0);
        let url = tree.add(first, Step::Key("url".into()), 1);
        assert_eq!(tree.path(url), "regions[0].url");
        assert_eq!(tree.positions(url), [3, 0, 1]);
        assert_eq!(tree.path(NodeId::ROOT), "");
    }

    #[test]
    fn a_key_that_may_hold_a_secret_is_not_shown() {
        assert_eq!(shown_key("gpt-4.1"), "gpt-4.1");
        let model = "gpt-4o-mini-realtime-preview-2024-12-17";
        assert_eq!(shown_key(model), model);
        assert_eq!(shown_key("api_key:abc"), "…");
        assert_eq!(shown_key("0123456789abcdef0123456789abcdef"), "…");
        assert_eq!(shown_key("a\nb"), "…");
        assert_eq!(shown_key(&"x".repeat(65)), "…");
    }
}
