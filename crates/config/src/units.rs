//! Quantities as people write them: `30s`, `8MiB`, `3`, `0.1`. Each knows how to read itself, how to
//! write itself so that it can be read again, and how to say what it wants; the range of each key is
//! a [`Bounded`] in [`crate::defaults`].

use std::time::Duration;

use schemars::transform::Transform;
use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use crate::schema::filled;
use crate::text::Sketch;

/// A quantity with a unit.
pub(crate) trait Unit: Sketch + Copy + PartialOrd {
    /// What to write, after "write".
    const WANTED: &'static str;

    fn parse(text: &str) -> Option<Self>;

    /// As [`Unit::parse`] reads it.
    fn shown(self) -> String;

    /// As a JSON schema names it.
    fn json(self) -> Json {
        Json::String(self.shown())
    }
}

/// What one key may say, and what it is when left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounded<T> {
    pub(crate) default: T,
    pub(crate) least: T,
    pub(crate) most: T,
}

/// Bytes: `64KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) u64);

impl<T: Unit> Bounded<T> {
    /// The value, or what to write instead.
    pub(crate) fn parse(&self, text: &str) -> Result<T, String> {
        match T::parse(text) {
            Some(value) if value >= self.least && value <= self.most => Ok(value),
            _ => Err(format!("write {}", self.wanted())),
        }
    }

    /// A copy that adds default and range to the schema of a key.
    pub(crate) fn in_schema(self) -> impl Transform {
        self
    }

    /// A copy that adds the range to the schema of a key that has no default.
    pub(crate) fn required_in_schema(self) -> impl Transform {
        move |schema: &mut Schema| {
            self.describe(schema, "From");
            filled(schema);
        }
    }

    /// A copy that adds the range to the schema of a map of such values.
    pub(crate) fn of_each_in_schema(self) -> impl Transform {
        move |schema: &mut Schema| self.describe(schema, "Each from")
    }

    fn describe(&self, schema: &mut Schema, from: &str) {
        let range = format!("{from} {} to {}.", self.least.shown(), self.most.shown());
        let description = match schema.get("description").and_then(Json::as_str) {
            Some(text) => format!("{text} {range}"),
            None => range,
        };
        schema.insert("description".into(), description.into());
    }

    /// Such as `a duration with its unit, such as 30s (from 1s to 1day)`.
    pub(crate) fn wanted(&self) -> String {
        let (example, least, most) = (self.default, self.least.shown(), self.most.shown());
        format!("{}, such as {} (from {least} to {most})", T::WANTED, example.shown())
    }
}

/// Adds the default and the range to the schema of a key.
impl<T: Unit> Transform for Bounded<T> {
    fn transform(&mut self, schema: &mut Schema) {
        self.describe(schema, "From");
        // a schema's bounds are for numbers alone; `${NAME}` passes them
        if self.least.json().is_number() {
            schema.insert("minimum".into(), self.least.json());
            schema.insert("maximum".into(), self.most.json());
        }
        if !schema.as_object().is_some_and(|object| object.contains_key("default")) {
            schema.insert("default".into(), self.default.json());
        }
    }
}

impl Unit for Duration {
    const WANTED: &'static str = "a duration with its unit";

    /// Piece by piece, `1m` before `30s`: humantime panics where the sum of them overflows.
    fn parse(text: &str) -> Option<Self> {
        let (mut sum, mut rest) = (None, text.trim());
        while !rest.is_empty() {
            let unit = rest.find(char::is_alphabetic).unwrap_or(rest.len());
            let letters = rest.get(unit..)?.find(|c: char| !c.is_alphabetic());
            let end = letters.map_or(rest.len(), |letters| unit + letters);
            let (piece, more) = rest.split_at_checked(end)?;
            let piece = humantime::parse_duration(piece).ok()?;
            sum = Some(sum.unwrap_or(Self::ZERO).checked_add(piece)?);
            rest = more;
        }
        sum
    }

    fn shown(self) -> String {
        humantime::format_duration(self).to_string()
    }
}

impl Sketch for Duration {
    fn sketch() -> Schema {
        let units = "ns|nsec|nanos|us|usec|µs|ms|msec|millis|s|secs?|seconds?|m|mins?|minutes?|\
                     h|hrs?|hours?|d|days?";
        let pattern = format!(r"^([0-9]+(\.[0-9]+)? *({units}) *)+$|\$\{{");
        json_schema!({"type": "string", "pattern": pattern})
    }
}

impl Unit for Bytes {
    const WANTED: &'static str = "a size with its unit";

    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits)?;
        let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }

    fn shown(self) -> String {
        let whole = |(_, factor): &(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        let (unit, factor) = UNITS.into_iter().find(whole).unwrap_or(("B", 1));
        format!("{}{unit}", self.0 / factor)
    }
}

/// From the largest; powers of 1024 alone, since nobody agrees on what a `MB` is.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Sketch for Bytes {
    fn sketch() -> Schema {
        json_schema!({"type": "string", "pattern": r"^[0-9]+ *([KMG]i)?B$|\$\{"})
    }
}

impl Unit for u32 {
    const WANTED: &'static str = "a whole number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn shown(self) -> String {
        self.to_string()
    }

    fn json(self) -> Json {
        self.into()
    }
}

impl Sketch for u32 {
    fn sketch() -> Schema {
        json_schema!({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"\$\{"}]})
    }
}

impl Unit for f64 {
    const WANTED: &'static str = "a number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &Self| number.is_finite())
    }

    fn shown(self) -> String {
        self.to_string()
    }

    fn json(self) -> Json {
        self.into()
    }
}

impl Sketch for f64 {
    fn sketch() -> Schema {
        json_schema!({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"\$\{"}]})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_whole_numbers_of_bytes() {
        for (text, bytes) in [("8MiB", 8 << 20), ("64KiB", 64 << 10), ("1 GiB", 1 << 30), ("0B", 0)]
        {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for text in ["", "8", "8MB", "8mib", "-1B", "1.5MiB", "MiB", "99999999999GiB", "８MiB"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Duration::parse("1m 15s"), Some(Duration::from_secs(75)));
        for text in ["", "10", "s", "-1s", "1s 5", "1 s s", "99999999999999999999s"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_beyond_all_time_is_refused() {
        let longest = "18446744073709551615s";
        assert_eq!(Duration::parse(longest), Some(Duration::from_secs(u64::MAX)));
        for more in ["1s", "1000ms", "1000000000ns", "999ms 1ms"] {
            assert_eq!(Duration::parse(&format!("{longest} {more}")), None, "{more}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_told_the_range() {
        let key = Bounded { default: 3, least: 1, most: 20 };
        assert_eq!(key.parse("20"), Ok(20));
        let message = "write a whole number, such as 3 (from 1 to 20)";
        assert_eq!(key.parse("21"), Err(message.into()));
        assert_eq!(key.parse("three"), Err(message.into()));
    }

    #[test]
    fn no_number_is_nan_or_infinite() {
        for text in ["NaN", "inf", "-inf", "1e999"] {
            assert_eq!(f64::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes: u64, nanos: u64, count: u32, number in -1e9..1e9_f64) {
            prop_assert_eq!(Bytes::parse(&Bytes(bytes).shown()), Some(Bytes(bytes)));
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(Duration::parse(&duration.shown()), Some(duration));
            prop_assert_eq!(u32::parse(&count.shown()), Some(count));
            prop_assert_eq!(f64::parse(&number.shown()), Some(number));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = (Bytes::parse(&text), Duration::parse(&text), f64::parse(&text));
        }

        #[test]
        fn no_duration_panics(text in "(18446744073709551615|[0-9]{1,20})? ?[.a-zµ]{0,2}([0-9. ]{0,12}(ns|us|ms|s|m|h|y)){0,3}") {
            let _ = Duration::parse(&text);
        }
    }
}
