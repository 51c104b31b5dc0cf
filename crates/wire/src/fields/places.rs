//! The places that are looked for, as a tree that a walk descends.

use crate::json::key::KEY_LIMIT;

/// Places in JSON bodies, written like `previous_response_id`, `input[].encrypted_content` or
/// `tools[].container.file_ids[]`: `.` leads to a member, `[]` to any element. Built once at the start.
#[derive(Debug)]
pub struct Fields {
    /// The first one is the root; children stand behind their parents.
    nodes: Box<[Branch]>,
}

/// A node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(u16);

/// What stands at a node.
#[derive(Debug, Default)]
struct Branch {
    /// The key that leads here from the object around it; nothing at the root and at an element.
    key: Box<[u8]>,
    /// The number of the place that ends here.
    place: Option<u16>,
    /// Where any element of an array here leads.
    element: Option<Node>,
    /// The first member that is looked for in an object here.
    member: Option<Node>,
    /// The next member of the same object.
    sibling: Option<Node>,
}

impl Fields {
    /// Of these places; the number of each is its index. One that is written otherwise than above, has a
    /// key that nobody looks for (longer than 48 bytes) or lies deeper than a walk goes (16 brackets) is
    /// never found; of two that are the same the first is.
    #[must_use]
    pub fn new(places: &[&str]) -> Self {
        let mut tree = Tree(vec![Branch::default()]);
        for (number, place) in (0..u16::MAX).zip(places) {
            if let Some(steps) = steps(place)
                && let Some(node) = tree.lead(&steps)
            {
                node.place.get_or_insert(number);
            }
        }
        Self { nodes: tree.0.into_boxed_slice() }
    }

    /// The number of the place that is a member of the outermost object and no more, as a field of a form is.
    pub(crate) fn named(&self, name: &[u8]) -> Option<u16> {
        self.place(self.member(Node::ROOT, name)?)
    }

    pub(crate) fn member(&self, of: Node, key: &[u8]) -> Option<Node> {
        let mut next = self.branch(of)?.member;
        while let Some(node) = next {
            let branch = self.branch(node)?;
            if *branch.key == *key {
                return Some(node);
            }
            next = branch.sibling;
        }
        None
    }

    pub(crate) fn element(&self, of: Node) -> Option<Node> {
        self.branch(of)?.element
    }

    pub(crate) fn has_members(&self, node: Node) -> bool {
        self.branch(node).is_some_and(|branch| branch.member.is_some())
    }

    pub(crate) fn place(&self, node: Node) -> Option<u16> {
        self.branch(node)?.place
    }

    fn branch(&self, node: Node) -> Option<&Branch> {
        self.nodes.get(usize::from(node.0))
    }
}

impl Node {
    pub(crate) const ROOT: Self = Self(0);
}

/// One step from a value to one inside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a [u8]),
    Element,
}

/// The steps to a place from the outermost value, `None` if it is malformed.
fn steps(place: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for (number, part) in place.split('.').enumerate() {
        let key = part.trim_end_matches("[]");
        let elements = (part.len() - key.len()) / 2;
        let is_outermost_array = number == 0 && elements > 0;
        if !key.is_empty() {
            steps.push(Step::Member(key.as_bytes()));
        } else if !is_outermost_array {
            return None;
        }
        if key.len() > KEY_LIMIT || key.contains(['[', ']']) {
            return None;
        }
        steps.extend((0..elements).map(|_| Step::Element));
    }
    Some(steps)
}

/// The tree under construction.
struct Tree(Vec<Branch>);

impl Tree {
    /// Where the steps lead, with what was lacking on the way; `None` if the tree is full.
    fn lead(&mut self, steps: &[Step<'_>]) -> Option<&mut Branch> {
        let mut at = 0;
        for step in steps {
            at = match self.child(at, *step) {
                Some(node) => usize::from(node.0),
                None => self.grow(at, *step)?,
            };
        }
        self.0.get_mut(at)
    }

    fn child(&self, at: usize, step: Step<'_>) -> Option<Node> {
        let parent = self.0.get(at)?;
        let Step::Member(key) = step else { return parent.element };
        let next = |node: &Node| self.0.get(usize::from(node.0))?.sibling;
        let is_it =
            |node: &Node| self.0.get(usize::from(node.0)).is_some_and(|branch| *branch.key == *key);
        std::iter::successors(parent.member, next).find(is_it)
    }

    fn grow(&mut self, at: usize, step: Step<'_>) -> Option<usize> {
        let place = self.0.len();
        let node = Some(Node(u16::try_from(place).ok()?));
        let parent = self.0.get_mut(at)?;
        let branch = match step {
            Step::Element => {
                parent.element = node;
                Branch::default()
            }
            Step::Member(key) => {
                let sibling = std::mem::replace(&mut parent.member, node);
                Branch { key: key.into(), sibling, ..Branch::default() }
            }
        };
        self.0.push(branch);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_step_by_step() {
        use Step::{Element, Member};
        for (place, expected) in [
            ("id", &[Member(b"id")][..]),
            ("data[].id", &[Member(b"data"), Element, Member(b"id")]),
            ("a.b[][]", &[Member(b"a"), Member(b"b"), Element, Element]),
            ("[].id", &[Element, Member(b"id")]),
            ("[]", &[Element]),
        ] {
            assert_eq!(steps(place).as_deref(), Some(expected), "{place}");
        }
        let long = "x".repeat(KEY_LIMIT + 1);
        for malformed in
            ["", ".", "a.", ".a", "a..b", "a.[]", "a[", "a]", "[]a", "a[]b", "a[0]", &long]
        {
            assert_eq!(steps(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn each_place_keeps_its_number_and_a_malformed_one_takes_no_others() {
        let fields = Fields::new(&["input[].id", "a..b", "input[].content[].id", "input", "input"]);
        let input = fields.named(b"input");
        assert_eq!((input, fields.named(b"id"), fields.named(b"a")), (Some(3), None, None));
        let input = fields.member(Node::ROOT, b"input").unwrap();
        let element = fields.element(input).unwrap();
        assert!(fields.has_members(element) && !fields.has_members(input));
        let id = fields.member(element, b"id").unwrap();
        assert_eq!((fields.place(id), fields.place(element)), (Some(0), None));
        let content = fields.member(element, b"content").unwrap();
        let id = fields.member(fields.element(content).unwrap(), b"id").unwrap();
        assert_eq!((fields.place(id), fields.element(id)), (Some(2), None));
    }

    #[test]
    fn more_places_than_have_numbers_do_no_harm() {
        let names: Vec<String> =
            (0..70_000).map(|number| format!("a[].b{}", number % 300)).collect();
        let places: Vec<&str> = names.iter().map(String::as_str).collect();
        let fields = Fields::new(&places);
        assert_eq!(fields.named(b"a"), None);
        assert_eq!(fields.nodes.len(), 303);
    }
}
