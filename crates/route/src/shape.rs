//! What a request is, as far as the time that it takes depends on it.
//!
//! Known before a region is chosen: the size of the prompt, and whether the answer streams. Requests
//! that are alike form a class; each class of a deployment has a leader of its own, since the best
//! region for a question may be a poor one for a book.

/// One request's size and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
    /// Tokens of the prompt, as estimated from its bytes.
    pub prompt: u32,
    /// Whether its time ends with the first content token; any other's ends with the answer.
    pub streams: bool,
}

impl Shape {
    /// A tiny completion, as probes are.
    pub const PROBE: Self = Self { prompt: 8, streams: true };

    /// The class that it belongs to.
    pub const fn class(self) -> Class {
        let size = match self.prompt {
            0..SHORT => 0,
            SHORT..LONG => 1,
            _ => 2,
        };
        Class(if self.streams { size } else { SIZES + size })
    }
}

/// Requests that one region suits alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u8);

impl Class {
    /// Every class: the streams by size, then the others.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..2 * SIZES).map(Self)
    }

    /// The class of this label.
    pub fn named(label: &str) -> Option<Self> {
        Self::all().find(|class| class.as_str() == label)
    }

    /// The place among all.
    pub(crate) fn place(self) -> usize {
        usize::from(self.0)
    }

    /// A request of this class where none was seen yet.
    pub(crate) const fn typical(self) -> Shape {
        let prompt = match self.0 % SIZES {
            0 => SHORT / 4,
            1 => SHORT * 3,
            _ => LONG * 2,
        };
        Shape { prompt, streams: self.0 < SIZES }
    }

    /// A label, such as `stream_short` or `whole_long`.
    pub const fn as_str(self) -> &'static str {
        match self.0 {
            0 => "stream_short",
            1 => "stream_medium",
            2 => "stream_long",
            3 => "whole_short",
            4 => "whole_medium",
            _ => "whole_long",
        }
    }
}

/// Classes by size, of streams and of others each.
const SIZES: u8 = 3;
/// Prompt tokens from which a request is no short one.
const SHORT: u32 = 1_000;
/// Prompt tokens from which a request is a long one.
const LONG: u32 = 8_000;
/// How many classes there are.
pub(crate) const CLASSES: usize = 6;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_class_has_a_place_a_label_and_a_typical_request_of_its_own() {
        assert_eq!(Class::all().len(), CLASSES);
        assert!(Class::all().enumerate().all(|(place, class)| class.place() == place));
        assert!(Class::all().all(|class| class.typical().class() == class));
        let labels: BTreeSet<_> = Class::all().map(Class::as_str).collect();
        assert_eq!(labels.len(), CLASSES);
        assert!(Class::all().all(|class| Class::named(class.as_str()) == Some(class)));
        assert_eq!(Class::named("stream"), None);
    }

    #[test]
    fn size_and_kind_decide() {
        let class = |prompt, streams| Shape { prompt, streams }.class().as_str();
        assert_eq!(class(0, true), "stream_short");
        assert_eq!(class(999, false), "whole_short");
        assert_eq!(class(1_000, true), "stream_medium");
        assert_eq!(class(7_999, false), "whole_medium");
        assert_eq!(class(u32::MAX, false), "whole_long");
    }
}
