//! `${NAME}` and `${NAME:-default}` in a scalar, from the environment; `$$` is a plain `$`. As in a
//! shell, the default also stands in for an empty variable. What a variable holds is never parsed
//! again: neither as YAML nor for further variables. Faults quote nothing but well-formed names.

use std::borrow::Cow;

use crate::Env;

/// Bytes of a scalar with its variables replaced: a certificate chain would fit.
pub(crate) const MAX_SCALAR_BYTES: usize = 64 * 1024;

/// Why a scalar cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the environment has no {name}: set it, or write ${{{name}:-default}}")]
    Missing { name: String },
    /// The name may be a secret in a wrong place.
    #[error("the environment has no variable of the name written here: set it, or give a default")]
    MissingUnnamed,
    #[error("`${{` without its `}}`: write ${{NAME}}, or $$ for a plain $")]
    Unclosed,
    #[error("write ${{NAME}} with a name of A-Z a-z 0-9 _, or $$ for a plain $")]
    BadName,
    #[error("a variable within a variable's default: write one of the two")]
    Nested,
    #[error("longer than 64 KiB with its variables: shorten it")]
    TooLong,
}

/// The text with its variables replaced, or all faults in it.
pub(crate) fn interpolate<'t>(text: &'t str, env: &dyn Env) -> Result<Cow<'t, str>, Vec<Fault>> {
    if !text.contains('$') && text.len() <= MAX_SCALAR_BYTES {
        return Ok(Cow::Borrowed(text));
    }
    let mut whole = String::new();
    let mut faults = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        whole.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            whole.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let Some((expression, after)) = inside.split_once('}') else {
                faults.push(Fault::Unclosed);
                return Err(faults);
            };
            match value_of(expression, env) {
                Ok(value) => whole.push_str(&value),
                Err(fault) => faults.push(fault),
            }
            rest = after;
        } else {
            whole.push('$');
        }
        if whole.len() > MAX_SCALAR_BYTES {
            return Err(vec![Fault::TooLong]);
        }
        if faults.len() >= MAX_FAULTS {
            return Err(faults);
        }
    }
    whole.push_str(rest);
    if whole.len() > MAX_SCALAR_BYTES {
        return Err(vec![Fault::TooLong]);
    }
    if faults.is_empty() { Ok(Cow::Owned(whole)) } else { Err(faults) }
}

/// Faults told of one scalar.
const MAX_FAULTS: usize = 3;

fn value_of(expression: &str, env: &dyn Env) -> Result<String, Fault> {
    let (name, default) = match expression.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    if default.is_some_and(|default| default.contains("${")) {
        return Err(Fault::Nested);
    }
    let well_formed = |name: &str| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
    };
    if !well_formed(name) {
        return Err(Fault::BadName);
    }
    match (env.get(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) if is_surely_a_name(name) => Err(Fault::Missing { name: name.to_owned() }),
        (None, None) => Err(Fault::MissingUnnamed),
    }
}

/// Whether this can be shown: a key that was pasted between the braces has lower-case letters.
fn is_surely_a_name(name: &str) -> bool {
    const LONGEST: usize = 64;
    name.len() <= LONGEST && !name.bytes().any(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("k${KEY}".into()),
            "EMPTY" => Some(String::new()),
            "BIG" => Some("x".repeat(40_000)),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_the_escape() {
        let cases = [
            ("plain", "plain"),
            ("${KEY}", "k${KEY}"),
            ("a-${KEY}-${KEY}", "a-k${KEY}-k${KEY}"),
            ("${NONE:-d}", "d"),
            ("${NONE:-}", ""),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY}", ""),
            ("$${KEY}", "${KEY}"),
            ("$$$$", "$$"),
            ("5$", "5$"),
            ("$KEY", "$KEY"),
            ("${NONE:-a:-b}", "a:-b"),
        ];
        for (text, whole) in cases {
            assert_eq!(interpolate(text, &env).unwrap(), whole, "{text}");
        }
    }

    #[test]
    fn faults_are_told_together() {
        let missing = |name: &str| Fault::Missing { name: name.into() };
        let cases = [
            ("${A}${B}", vec![missing("A"), missing("B")]),
            ("${0123456789abcdef}", vec![Fault::BadName]),
            ("${abcdef0123456789}", vec![Fault::MissingUnnamed]),
            ("${}", vec![Fault::BadName]),
            ("${A B}", vec![Fault::BadName]),
            ("${A", vec![Fault::Unclosed]),
            ("${A:-${B}}", vec![Fault::Nested]),
            ("${BIG}${BIG}", vec![Fault::TooLong]),
        ];
        for (text, faults) in cases {
            assert_eq!(interpolate(text, &env), Err(faults), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_comes_back(text in "[^\\x00]*") {
            let escaped = text.replace('$', "$$");
            prop_assert_eq!(interpolate(&escaped, &env).unwrap(), text);
        }

        #[test]
        fn no_text_panics(text in "[$\\{\\}:A-C_a-]*") {
            let _ = interpolate(&text, &env);
        }
    }
}
