//! One list of what several regions list: in the order of their time, an item's bytes as its region wrote them.
//!
//! A page of it ends where a region's page ends that has more, since what follows there may come before what
//! the others have left.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A region's page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// In the region's order.
    pub items: Vec<Item>,
    /// More of them follow.
    pub has_more: bool,
}

/// One object of a list.
#[derive(Debug)]
pub struct Item {
    /// Its id; empty if it has none.
    pub id: String,
    /// When it was made, in seconds since the Unix epoch; 0 if it does not say.
    pub created: i64,
    raw: Box<RawValue>,
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest, as the API has it where nothing is said.
    #[default]
    Descending,
    /// The oldest.
    Ascending,
}

/// A page of the list of all.
#[derive(Debug)]
pub struct Merged {
    /// In the order of their time.
    pub items: Vec<Item>,
    /// More of them follow.
    pub has_more: bool,
    /// For each region's page the id of the last item of it that is listed; `None`: none is.
    pub read_to: Vec<Option<String>>,
}

impl Page {
    /// What a region answered; `None` if that is no list.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let List { data, has_more } = serde_json::from_slice(body).ok()?;
        let items = data.into_iter().map(|raw| {
            let Head { id, created_at, created } = serde_json::from_str(raw.get()).ok()?;
            let created = created_at.or(created).unwrap_or_default();
            Some(Item { id: id.unwrap_or_default().into_owned(), created, raw })
        });
        Some(Self { items: items.collect::<Option<_>>()?, has_more: has_more.unwrap_or(false) })
    }
}

#[derive(Deserialize)]
struct List {
    data: Vec<Box<RawValue>>,
    has_more: Option<bool>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    created_at: Option<i64>,
    created: Option<i64>,
}

impl Order {
    /// Whether what was made at `one` comes before what was made at `other`.
    pub(crate) const fn is_before(self, one: i64, other: i64) -> bool {
        match self {
            Self::Descending => one > other,
            Self::Ascending => one < other,
        }
    }
}

/// The next page of the list of all, from what follows in each region; of equals those of the first page come
/// first. At most `limit` items, and none twice.
#[must_use]
pub fn merge(pages: Vec<Page>, order: Order, limit: usize) -> Merged {
    let open_ended: Vec<bool> = pages.iter().map(|page| page.has_more).collect();
    let mut rests: Vec<_> =
        pages.into_iter().map(|page| page.items.into_iter().peekable()).collect();
    let mut read_to = vec![None; rests.len()];
    let (mut items, mut seen) = (Vec::new(), HashSet::new());
    let has_more = loop {
        let is_cut =
            rests.iter_mut().zip(&open_ended).any(|(rest, more)| *more && rest.peek().is_none());
        let heads = rests.iter_mut().enumerate();
        let heads = heads.filter_map(|(place, rest)| Some((place, rest.peek()?.created)));
        let first =
            heads.reduce(|best, next| if order.is_before(next.1, best.1) { next } else { best });
        let Some((place, _)) = first else { break is_cut };
        if is_cut || items.len() == limit {
            break true;
        }
        let (rest, read_to) = (rests.get_mut(place), read_to.get_mut(place));
        let Some((item, read_to)) = rest.and_then(Iterator::next).zip(read_to) else { continue };
        if item.id.is_empty() {
            items.push(item);
            continue;
        }
        *read_to = Some(item.id.clone());
        if seen.insert(item.id.clone()) {
            items.push(item);
        }
    };
    Merged { items, has_more, read_to }
}

impl Merged {
    /// As the API writes a list.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        let id = |item: Option<&Item>| item.map(|item| item.id.clone());
        let list = Written {
            object: "list",
            data: self.items.iter().map(|item| &*item.raw).collect(),
            first_id: id(self.items.first()),
            last_id: id(self.items.last()),
            has_more: self.has_more,
        };
        // strings and what was read as JSON: there is nothing in it that could fail
        serde_json::to_vec(&list).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Written<'a> {
    object: &'static str,
    data: Vec<&'a RawValue>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: &[(&str, i64)], has_more: bool) -> Page {
        let items: Vec<_> = items
            .iter()
            .map(|(id, created)| format!(r#"{{"id":"{id}",  "created_at":{created}}}"#))
            .collect();
        let body =
            format!(r#"{{"object":"list","data":[{}],"has_more":{has_more}}}"#, items.join(","));
        Page::read(body.as_bytes()).unwrap()
    }

    fn ids(merged: &Merged) -> Vec<&str> {
        merged.items.iter().map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn items_come_in_the_order_of_their_time_whoever_has_them() {
        let pages =
            || vec![page(&[("a3", 30), ("a1", 10)], false), page(&[("b2", 20), ("b1", 10)], false)];
        let all = merge(pages(), Order::Descending, 100);
        assert_eq!((ids(&all), all.has_more), (vec!["a3", "b2", "a1", "b1"], false));
        let some = merge(pages(), Order::Descending, 3);
        assert_eq!((ids(&some), some.has_more), (vec!["a3", "b2", "a1"], true));
        assert_eq!(some.read_to, [Some("a1".into()), Some("b2".into())]);
        let ascending = vec![page(&[("a1", 10), ("a3", 30)], false), page(&[("b2", 20)], false)];
        assert_eq!(ids(&merge(ascending, Order::Ascending, 100)), ["a1", "b2", "a3"]);
    }

    #[test]
    fn a_page_ends_where_one_of_them_ends_that_has_more() {
        let pages = vec![page(&[("a9", 90), ("a8", 80)], true), page(&[("b7", 70)], false)];
        let merged = merge(pages, Order::Descending, 100);
        assert_eq!((ids(&merged), merged.has_more), (vec!["a9", "a8"], true));
    }

    #[test]
    fn what_two_regions_have_alike_is_listed_once() {
        let models = vec![page(&[("gpt", 1), ("o3", 1)], false), page(&[("gpt", 1)], false)];
        assert_eq!(ids(&merge(models, Order::Descending, 100)), ["gpt", "o3"]);
    }

    #[test]
    fn an_item_is_written_as_it_was_read() {
        let raw = r#"{"z": 1.50,"id":"a\u0031", "created":7}"#;
        let read = Page::read(format!(r#"{{"data":[{raw}]}}"#).as_bytes()).unwrap();
        let written = String::from_utf8(merge(vec![read], Order::Descending, 9).written()).unwrap();
        let expected = format!(
            r#"{{"object":"list","data":[{raw}],"first_id":"a1","last_id":"a1","has_more":false}}"#
        );
        assert_eq!(written, expected);
        assert!(Page::read(b"{}").is_none() && Page::read(b"[1]").is_none());
    }
}
