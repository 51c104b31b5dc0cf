//! Which objects the body of a request names: they must be in the region that gets it.
//!
//! Pure. Each API has a table of places; a place is written `tools[].container.file_ids[]`, where
//! `.` goes to a member and `[]` to every element (API fact sheet section 6).

use serde_json::Value;

use crate::kind::Kind;

/// Where an API names objects of a kind.
pub(crate) type Places = &'static [(&'static str, Kind)];

/// One object that a body names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// The member of the body in which it stands.
    pub(crate) param: &'static str,
}

/// The objects that stand at these places, in their order. What is no text is no reference.
pub(crate) fn named(body: &Value, places: Places) -> Vec<Reference> {
    let mut all = Vec::new();
    for &(place, kind) in places {
        let param = place.split(['.', '[']).next().unwrap_or(place);
        let mut found = |id: &str| all.push(Reference { kind, id: id.to_owned(), param });
        walk(body, place, &mut found);
    }
    all
}

fn walk(value: &Value, place: &str, found: &mut dyn FnMut(&str)) {
    if let Some(place) = place.strip_prefix("[]") {
        for element in value.as_array().into_iter().flatten() {
            walk(element, place.trim_start_matches('.'), found);
        }
    } else if place.is_empty() {
        if let Some(id) = value.as_str() {
            found(id);
        }
    } else {
        let end = place.find(['.', '[']).unwrap_or(place.len());
        let (name, rest) = place.split_at(end);
        if let Some(member) = value.get(name) {
            walk(member, rest.trim_start_matches('.'), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_leads_to_every_text_at_it() {
        let body = json!({
            "file": "f0",
            "tools": [
                {"ids": ["f1", 2, null, "f3"], "container": {"file_ids": ["f4"]}},
                {"container": "c5"},
                "none",
            ],
            "deep": [[{"id": "f6"}]],
        });
        for (place, param, ids) in [
            ("file", "file", vec!["f0"]),
            ("tools[].ids[]", "tools", vec!["f1", "f3"]),
            ("tools[].container.file_ids[]", "tools", vec!["f4"]),
            ("tools[].container", "tools", vec!["c5"]),
            ("deep[][].id", "deep", vec!["f6"]),
            ("file.more", "file", vec![]),
            ("nothing[].at.all", "nothing", vec![]),
        ] {
            let places: Places = Box::leak(Box::new([(place, Kind::File)]));
            let found = named(&body, places);
            let got: Vec<&str> = found.iter().map(|reference| reference.id.as_str()).collect();
            assert_eq!(got, ids, "{place}");
            assert!(found.iter().all(|reference| reference.param == param), "{place}");
        }
    }
}
