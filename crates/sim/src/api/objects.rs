//! The objects of one kind in this region: make, look up, list, change, delete, cancel.
//!
//! What the files of the object APIs have in common; each of them says what its objects are made
//! of. An id that is not here is 404, as in the region that the object does not live in.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::page::{Asked, NoPage};
use super::references::{Places, named};
use crate::exchange::Exchange;
use crate::kind::Kind;
use crate::store::Kept;

/// All objects of one kind, or those of them that belong to one other object.
#[derive(Clone, Debug)]
pub(crate) struct Collection {
    kind: Kind,
    parent: String,
}

impl Collection {
    /// Of a kind that stands alone.
    pub(crate) fn of(kind: Kind) -> Self {
        Self { kind, parent: String::new() }
    }

    /// Of a kind whose objects belong to others.
    pub(crate) fn within(kind: Kind, parent: &str) -> Self {
        Self { kind, parent: parent.to_owned() }
    }

    /// Makes an object with these members beside its id and date, and keeps it.
    pub(crate) fn make(&self, exchange: &mut Exchange, members: Value) -> Value {
        let object = self.draft(exchange, members);
        self.keep(exchange, object.clone());
        object
    }

    /// The same, of something that is under way: once looked at it has these members as well.
    pub(crate) fn begin(&self, exchange: &mut Exchange, members: Value, then: Value) -> Value {
        let object = self.draft(exchange, members);
        let next = Some(with(object.clone(), then));
        self.put(exchange, Kept { object: object.clone(), next, ..Kept::default() });
        object
    }

    /// The same with bytes.
    pub(crate) fn fill(&self, exchange: &mut Exchange, members: Value, content: Bytes) -> Value {
        let object = self.draft(exchange, members);
        self.put(exchange, Kept { object: object.clone(), content, ..Kept::default() });
        object
    }

    /// An object that is not kept yet.
    pub(crate) fn draft(&self, exchange: &mut Exchange, members: Value) -> Value {
        let id = exchange.object_id(self.kind.prefix());
        let created = exchange.created();
        with(json!({"id": id, "object": self.kind.object(), "created_at": created}), members)
    }

    /// Keeps an object by its id.
    pub(crate) fn keep(&self, exchange: &Exchange, object: Value) {
        self.put(exchange, Kept { object, ..Kept::default() });
    }

    pub(crate) fn put(&self, exchange: &Exchange, mut kept: Kept) {
        let key = self.key(text(&kept.object, "id"));
        kept.parent.clone_from(&self.parent);
        exchange.region.store.with(|store| store.of(self.kind).put(key, kept));
    }

    /// What a `GET` says. Who looks sees what was under way as it is next.
    pub(crate) fn look(&self, exchange: &Exchange, id: &str) -> Result<Value, ApiError> {
        self.touch(exchange, id, |kept| {
            if let Some(next) = kept.next.take() {
                kept.object = next;
            }
            kept.object.clone()
        })
    }

    /// The object as it is, whoever may look.
    pub(crate) fn peek(&self, exchange: &Exchange, id: &str) -> Result<Value, ApiError> {
        self.touch(exchange, id, |kept| kept.object.clone())
    }

    /// The object's own bytes.
    pub(crate) fn content(&self, exchange: &Exchange, id: &str) -> Result<Bytes, ApiError> {
        self.touch(exchange, id, |kept| kept.content.clone())
    }

    /// Whether the object is here.
    pub(crate) fn check(&self, exchange: &Exchange, id: &str) -> Result<(), ApiError> {
        self.touch(exchange, id, |_| ())
    }

    /// Takes over some members of a request.
    pub(crate) fn change(
        &self,
        exchange: &Exchange,
        id: &str,
        members: &Value,
    ) -> Result<Value, ApiError> {
        self.touch(exchange, id, |kept| {
            for object in std::iter::once(&mut kept.object).chain(&mut kept.next) {
                *object = with(object.take(), members.clone());
            }
            kept.object.clone()
        })
    }

    /// Ends what is under way with this status. What has ended of itself cannot be cancelled.
    pub(crate) fn cancel(
        &self,
        exchange: &Exchange,
        id: &str,
        status: &'static str,
    ) -> Result<Value, ApiError> {
        let object = self.touch(exchange, id, |kept| {
            if kept.next.take().is_some() {
                kept.object = with(kept.object.take(), json!({"status": status}));
            }
            kept.object.clone()
        })?;
        match text(&object, "status") {
            now if now == status => Ok(object),
            now => Err(ApiError::Ended { kind: self.kind, status: now.to_owned() }),
        }
    }

    /// Forgets an object; the answer to that.
    pub(crate) fn delete(&self, exchange: &Exchange, id: &str) -> Result<Value, ApiError> {
        let key = self.key(id);
        if !exchange.region.store.with(|store| store.of(self.kind).remove(&key)) {
            return Err(self.not_here(id));
        }
        Ok(json!({"id": id, "object": self.kind.deleted(), "deleted": true}))
    }

    /// One page of them, as the query asks.
    pub(crate) fn list(&self, exchange: &Exchange) -> Result<Value, ApiError> {
        self.list_where(exchange, |_| true)
    }

    /// One page of those that the request wants.
    pub(crate) fn list_where(
        &self,
        exchange: &Exchange,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, ApiError> {
        let all = self.all(exchange).into_iter().filter(wanted).collect();
        let page = Asked::read(&exchange.route, self.kind.page()).and_then(|asked| asked.of(all));
        page.map_err(|none| match none {
            NoPage::Limit => ApiError::Invalid { param: "limit", expected: "a number in range" },
            NoPage::Cursor { param, id } => {
                ApiError::NotHere { kind: self.kind, id, param: Some(param) }
            }
        })
    }

    /// All of them, in order of arrival.
    pub(crate) fn all(&self, exchange: &Exchange) -> Vec<Value> {
        exchange.region.store.with(|store| {
            let here = store.of(self.kind).iter().filter(|kept| kept.parent == self.parent);
            here.map(|kept| kept.object.clone()).collect()
        })
    }

    fn touch<R>(
        &self,
        exchange: &Exchange,
        id: &str,
        use_it: impl FnOnce(&mut Kept) -> R,
    ) -> Result<R, ApiError> {
        let key = self.key(id);
        exchange
            .region
            .store
            .with(|store| store.of(self.kind).find(&key).map(use_it))
            .ok_or_else(|| self.not_here(id))
    }

    fn not_here(&self, id: &str) -> ApiError {
        ApiError::NotHere { kind: self.kind, id: id.to_owned(), param: None }
    }

    /// An object is found below what it belongs to and nowhere else.
    fn key(&self, id: &str) -> String {
        if self.parent.is_empty() { id.to_owned() } else { format!("{}/{id}", self.parent) }
    }
}

/// Refuses a request that names objects which are not in this region.
pub(crate) fn all_here(exchange: &Exchange, body: &Value, places: Places) -> Result<(), ApiError> {
    for reference in named(body, places) {
        if Collection::of(reference.kind).check(exchange, &reference.id).is_err() {
            return Err(ApiError::NoReference(reference));
        }
    }
    Ok(())
}

/// The object with further members, or other ones in the place of those of the same name.
pub(crate) fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

/// Some members of a request, if it has them; `null` counts as left out.
pub(crate) fn given(request: &Value, names: &[&str]) -> Value {
    let members = names.iter().filter_map(|name| {
        let value = request.get(name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    Value::Object(members.collect::<Map<_, _>>())
}

/// A member that is text; empty if it is not.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or("")
}

/// A member of a request that must be there and be text.
pub(crate) fn required<'a>(request: &'a Value, name: &'static str) -> Result<&'a str, ApiError> {
    request.get(name).and_then(Value::as_str).ok_or(ApiError::Missing(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_taken_over_if_they_are_there() {
        let request = json!({"name": "n", "metadata": null, "more": 1});
        let object = json!({"name": "old", "metadata": {}, "id": "x"});
        let changed = with(object, given(&request, &["name", "metadata", "absent"]));
        assert_eq!(changed, json!({"name": "n", "metadata": {}, "id": "x"}));
    }

    #[test]
    fn what_must_be_there_is_missed() {
        let request = json!({"text": "t", "number": 1});
        assert_eq!(required(&request, "text").unwrap(), "t");
        for name in ["number", "absent"] {
            assert!(matches!(required(&request, name), Err(ApiError::Missing(_))), "{name}");
        }
    }
}
