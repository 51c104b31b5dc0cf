//! Words of a closed set: `azure`, `v1` or `openai`. Each set is one table, from which come the
//! parsing, the error, the schema and what `check` prints.

use schemars::{Schema, json_schema};

use crate::fence::DeploymentType;
use crate::model::{AffinityMode, AuthHeader, Lists, LogFormat, ProbeStyle, RankBy, Strategy};
use crate::names::Scalar;
use crate::reader::nearest;
use crate::text::Sketch;

/// One of a few words.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];

    /// The word, or what to write instead.
    fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, choice)) = Self::ALL.iter().find(|(word, _)| *word == text) {
            return Ok(*choice);
        }
        let words: Vec<_> = Self::ALL.iter().map(|(word, _)| *word).collect();
        let all = words.join(" or ");
        match nearest(text, &words) {
            Some(near) => Err(format!("write {all}: did you mean `{near}`?")),
            None => Err(format!("write {all}")),
        }
    }

    /// As [`Choice::parse`] reads it.
    fn shown(self) -> &'static str {
        Self::ALL.iter().find(|(_, choice)| *choice == self).map_or("", |(word, _)| word)
    }
}

/// Marks a text that should hold a word of the set.
pub(crate) struct Word<T>(std::marker::PhantomData<T>);

impl<T: Choice> Sketch for Word<T> {
    fn sketch() -> Schema {
        let words: Vec<_> = T::ALL.iter().map(|(word, _)| *word).collect();
        json_schema!({"anyOf": [{"enum": words}, {"type": "string", "pattern": r"\$\{"}]})
    }
}

impl<T: Choice> Scalar for Word<T> {
    type Made = T;

    fn parse(text: &str) -> Result<T, String> {
        T::parse(text)
    }
}

/// Marks a text that should hold `true` or `false`.
pub(crate) struct Switched;

impl Sketch for Switched {
    fn sketch() -> Schema {
        json_schema!({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"\$\{"}]})
    }
}

impl Choice for bool {
    const ALL: &'static [(&'static str, Self)] = &[("true", true), ("false", false)];
}

impl Choice for AuthHeader {
    const ALL: &'static [(&'static str, Self)] =
        &[("api-key", Self::ApiKey), ("bearer", Self::Bearer)];
}

impl Choice for DeploymentType {
    const ALL: &'static [(&'static str, Self)] = &[
        ("standard", Self::Standard),
        ("datazone", Self::DataZone),
        ("global", Self::Global),
        ("provisioned", Self::Provisioned),
        ("datazone_provisioned", Self::DataZoneProvisioned),
        ("global_provisioned", Self::GlobalProvisioned),
    ];
}

impl Choice for ProbeStyle {
    const ALL: &'static [(&'static str, Self)] =
        &[("azure", Self::Azure), ("v1", Self::V1), ("openai", Self::OpenAi)];
}

impl Choice for Strategy {
    const ALL: &'static [(&'static str, Self)] =
        &[("average", Self::Average), ("adaptive", Self::Adaptive)];
}

impl Choice for RankBy {
    const ALL: &'static [(&'static str, Self)] =
        &[("first_token", Self::FirstToken), ("total", Self::Total)];
}

impl Choice for AffinityMode {
    const ALL: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("prefix", Self::Prefix), ("session", Self::Session)];
}

impl Choice for Lists {
    const ALL: &'static [(&'static str, Self)] = &[("home", Self::Home), ("merge", Self::Merge)];
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_set() {
        assert_eq!(AuthHeader::parse("bearer"), Ok(AuthHeader::Bearer));
        assert_eq!(AuthHeader::Bearer.shown(), "bearer");
    }

    #[test]
    fn any_other_word_is_told_the_set() {
        let error = |text| ProbeStyle::parse(text).unwrap_err();
        assert_eq!(error("azur"), "write azure or v1 or openai: did you mean `azure`?");
        assert_eq!(error("sk-0123456789"), "write azure or v1 or openai");
    }
}
