//! One page of a list: order, limit and cursors, as all lists of the API have them.
//!
//! Pure: objects and what the query asks in, the list object out. Objects are ordered by the time
//! they were made and then by id, so that the order is the same whoever looks. What has no date,
//! such as an item of a conversation, stays in the order in which it came.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::route::Route;

/// What a request says of the page it wants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    limit: usize,
    oldest_first: bool,
    after: Option<&'a str>,
    before: Option<&'a str>,
}

/// Why there is no such page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoPage {
    /// The limit is no number, or out of range.
    Limit,
    /// No object in the list has the id of the cursor.
    Cursor {
        /// `after` or `before`.
        param: &'static str,
        /// As it was given.
        id: String,
    },
}

impl<'a> Asked<'a> {
    /// Reads the query; `usual` and `most` are objects on a page.
    pub(crate) fn read(route: &'a Route, (usual, most): (usize, usize)) -> Result<Self, NoPage> {
        let limit = match route.query("limit") {
            None => usual,
            Some(text) => {
                text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or(NoPage::Limit)?
            }
        };
        Ok(Self {
            limit,
            oldest_first: route.query("order") == Some("asc"),
            after: route.query("after"),
            before: route.query("before"),
        })
    }

    /// The page of these, given in order of arrival, as a list object.
    pub(crate) fn of(&self, mut objects: Vec<Value>) -> Result<Value, NoPage> {
        objects.sort_by(by_age);
        if !self.oldest_first {
            objects.reverse();
        }
        let place = |param, cursor: Option<&str>| {
            let Some(cursor) = cursor else { return Ok(None) };
            let at = objects.iter().position(|object| id(object) == Some(cursor));
            at.map(Some).ok_or_else(|| NoPage::Cursor { param, id: cursor.to_owned() })
        };
        let begin = place("after", self.after)?.map_or(0, |at| at + 1);
        let end = place("before", self.before)?.unwrap_or(objects.len());
        let between = end.saturating_sub(begin);
        let left_out = between.saturating_sub(self.limit);
        // a page before a cursor is the one next to it
        let backwards = self.before.is_some() && self.after.is_none();
        let skipped = if backwards { begin + left_out } else { begin };
        let data: Vec<Value> = objects.into_iter().skip(skipped).take(between - left_out).collect();
        Ok(list(&data, left_out > 0))
    }
}

/// A list object of these.
pub(crate) fn list(data: &[Value], has_more: bool) -> Value {
    let id = |object: Option<&Value>| object.and_then(|object| object.get("id")).cloned();
    json!({
        "object": "list", "first_id": id(data.first()), "last_id": id(data.last()),
        "has_more": has_more, "data": data,
    })
}

fn by_age(a: &Value, b: &Value) -> Ordering {
    match (made_at(a), made_at(b)) {
        (None, None) => Ordering::Equal,
        (a_made, b_made) => a_made.cmp(&b_made).then_with(|| id(a).cmp(&id(b))),
    }
}

/// Seconds since 1970.
fn made_at(object: &Value) -> Option<u64> {
    object.get("created_at").or_else(|| object.get("created")).and_then(Value::as_u64)
}

fn id(object: &Value) -> Option<&str> {
    object.get("id").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: (usize, usize) = (2, 3);

    /// Five objects: `e` is the oldest, `a` and `b` were made in the same second.
    fn objects() -> Vec<Value> {
        [("a", 9), ("e", 1), ("c", 5), ("b", 9), ("d", 3)]
            .map(|(id, made)| json!({"id": id, "created_at": made}))
            .to_vec()
    }

    fn page(query: &str) -> Result<Value, NoPage> {
        let route = Route::read(&format!("/v1/files?{query}").parse().unwrap());
        Asked::read(&route, BOUNDS)?.of(objects())
    }

    #[test]
    fn pages_follow_order_limit_and_cursors() {
        for (query, ids, has_more) in [
            ("", "ba", true),
            ("order=asc", "ed", true),
            ("limit=3", "bac", true),
            ("after=a", "cd", true),
            ("after=c", "de", false),
            ("after=e", "", false),
            ("order=asc&after=c&limit=1", "a", true),
            ("before=d", "ac", true),
            ("before=c", "ba", false),
            ("after=b&before=e", "ac", true),
            ("after=b&before=d", "ac", false),
            ("after=d&before=b", "", false),
        ] {
            let page = page(query).unwrap();
            let got: String =
                page["data"].as_array().unwrap().iter().filter_map(|o| id(o)).collect();
            assert_eq!((got.as_str(), page["has_more"] == true), (ids, has_more), "{query}");
            let ends = [ids.chars().next(), ids.chars().last()].map(|c| json!(c.map(String::from)));
            assert_eq!([&page["first_id"], &page["last_id"]], [&ends[0], &ends[1]], "{query}");
        }
    }

    #[test]
    fn what_has_no_date_stays_in_order() {
        for (query, expected) in [("order=asc", "bac"), ("", "cab")] {
            let route = Route::read(&format!("/v1/files?{query}").parse().unwrap());
            let items = ["b", "a", "c"].map(|id| json!({"id": id})).to_vec();
            let page = Asked::read(&route, (3, 3)).unwrap().of(items).unwrap();
            let got: String =
                page["data"].as_array().unwrap().iter().filter_map(|o| id(o)).collect();
            assert_eq!(got, expected, "{query}");
        }
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for limit in ["0", "4", "-1", "x", ""] {
            assert_eq!(page(&format!("limit={limit}")), Err(NoPage::Limit), "{limit}");
        }
        for param in ["after", "before"] {
            let id = "nowhere".to_owned();
            assert_eq!(page(&format!("{param}=nowhere")), Err(NoPage::Cursor { param, id }));
        }
    }
}
