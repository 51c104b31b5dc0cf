//! Where a region's part of the list of all goes on, page after page.
//!
//! A client says only the last item that it has seen. Whoever made that page knows the last item of each
//! region's part; whoever did not knows that of the item's own region, and of the others what the list had of
//! them by then from the item's time.

use crate::merge::{Item, Order, Page};

/// A region's part, as far as it was listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    after: Option<String>,
    past: Option<Past>,
}

/// An item of another region that the list has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Past {
    created: i64,
    /// What is as old as it came before it.
    equals_too: bool,
}

impl Part {
    /// Listed up to this item of the region's; `None`: nothing of it is.
    #[must_use]
    pub fn listed(after: Option<String>) -> Self {
        Self { after, past: None }
    }

    /// The parts of so many regions, in their order, behind an item which the one at the place `owner` has.
    #[must_use]
    pub fn all_behind(id: &str, created: i64, owner: Option<usize>, regions: usize) -> Vec<Self> {
        let part = |place| match owner {
            Some(owner) if owner == place => Self::listed(Some(id.to_owned())),
            owner => {
                // of equals those of the first region come first
                let equals_too = owner.is_some_and(|owner| place < owner);
                Self { after: None, past: Some(Past { created, equals_too }) }
            }
        };
        (0..regions).map(part).collect()
    }

    /// The item of the region's own that its next page begins behind.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Whether the next page may begin with what was listed.
    #[must_use]
    pub fn skips(&self) -> bool {
        self.past.is_some()
    }

    /// Leaves out of the next page what was listed. `false` if nothing is left, and what follows is on the
    /// page behind it.
    #[must_use]
    pub fn skip(&mut self, page: &mut Page, order: Order) -> bool {
        let Some(past) = self.past else { return true };
        let is_listed = |item: &&Item| {
            order.is_before(item.created, past.created)
                || past.equals_too && item.created == past.created
        };
        let skipped = page.items.iter().take_while(is_listed).count();
        let last = page.items.drain(..skipped).next_back().map(|item| item.id);
        let last = last.filter(|id| !id.is_empty());
        let is_all = last.is_some() && page.items.is_empty() && page.has_more;
        if last.is_some() {
            self.after = last;
        }
        if !is_all {
            self.past = None;
        }
        !is_all
    }

    /// A page of the list of all was made, with the region's part up to this item, `None` if with nothing of
    /// it; what is to be remembered.
    #[must_use]
    pub fn left_at(self, read_to: Option<String>) -> Option<String> {
        read_to.or(self.after)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merge::merge;

    type List = Vec<(String, i64)>;

    fn page(items: &[(String, i64)], has_more: bool) -> Page {
        let items: Vec<_> = items
            .iter()
            .map(|(id, created)| format!(r#"{{"id":"{id}","created_at":{created}}}"#))
            .collect();
        let body = format!(r#"{{"data":[{}],"has_more":{has_more}}}"#, items.join(","));
        Page::read(body.as_bytes()).unwrap()
    }

    /// As a region answers.
    fn answer(list: &List, after: Option<&str>, limit: usize) -> Page {
        let place = |id: &str| list.iter().position(|(known, _)| known == id).unwrap() + 1;
        let rest = &list[after.map_or(0, place)..];
        page(&rest[..limit.min(rest.len())], rest.len() > limit)
    }

    fn lists(times: &[Vec<i64>]) -> Vec<List> {
        let list = |(region, times): (usize, &Vec<i64>)| {
            let mut times = times.clone();
            times.sort_unstable_by(|one, other| other.cmp(one));
            let ids = (0..).map(|at| format!("{region}-{at}"));
            ids.zip(times).collect()
        };
        times.iter().enumerate().map(list).collect()
    }

    /// One page: the regions are asked in turn, each until something is left.
    fn read(lists: &[List], parts: &mut [Part], limit: usize) -> (Vec<String>, Option<ReadTo>) {
        let pages = lists.iter().zip(&mut *parts).map(|(list, part)| {
            loop {
                let mut page = answer(list, part.after(), limit);
                if part.skip(&mut page, Order::Descending) {
                    return page;
                }
            }
        });
        let merged = merge(pages.collect(), Order::Descending, limit);
        let listed = merged.items.iter().map(|item| item.id.clone()).collect();
        let left = parts.iter().cloned().zip(merged.read_to);
        (listed, merged.has_more.then(|| left.map(|(part, to)| part.left_at(to)).collect()))
    }

    type ReadTo = Vec<Option<String>>;

    #[test]
    fn what_was_skipped_is_known_from_then_on() {
        let lists = lists(&[vec![70, 50], vec![90, 80, 60]]);
        let mut parts = Part::all_behind("0-0", 70, Some(0), 2);
        let (listed, left) = read(&lists, &mut parts, 1);
        assert_eq!(listed, ["1-2"]);
        assert_eq!(left, Some(vec![Some("0-0".into()), Some("1-2".into())]));
        let mut parts = Part::all_behind("0-0", 70, Some(0), 2);
        assert!(parts.iter().map(Part::skips).eq([false, true]));
        assert!(!parts[1].skip(&mut answer(&lists[1], None, 2), Order::Descending));
        assert_eq!((parts[1].after(), parts[1].skips()), (Some("1-1"), true));
        assert!(parts[1].skip(&mut answer(&lists[1], Some("1-1"), 2), Order::Descending));
        assert_eq!((parts[1].after(), parts[1].skips()), (Some("1-1"), false));
    }

    proptest! {
        /// Whatever the regions have, and whether whoever makes a page made the one before it or not.
        #[test]
        fn pages_list_everything_once_and_in_order(
            times in proptest::collection::vec(proptest::collection::vec(0_i64..6, 0..12), 1..4),
            limit in 1_usize..5,
            knows in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let lists = lists(&times);
            let mut expected: List = lists.concat();
            // of equals those of the first region come first
            expected.sort_by_key(|(_, created)| std::cmp::Reverse(*created));
            let mut parts = vec![Part::default(); lists.len()];
            let mut all = Vec::new();
            for knows in knows {
                let (listed, left) = read(&lists, &mut parts, limit);
                all.extend(listed);
                let Some(left) = left else { break };
                let last = all.last().expect("a page that has more has something");
                parts = if knows {
                    left.into_iter().map(Part::listed).collect()
                } else {
                    let (_, created) = expected.iter().find(|(id, _)| id == last).unwrap();
                    let owner = lists.iter().position(|list| list.iter().any(|(id, _)| id == last));
                    Part::all_behind(last, *created, owner, lists.len())
                };
            }
            let expected: Vec<_> = expected.into_iter().map(|(id, _)| id).collect();
            prop_assert_eq!(all, expected);
        }
    }
}
