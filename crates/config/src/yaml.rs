//! The only file that names the YAML crate: text to [`Tree`], and a node of it back to its line.
//! What the parser cannot take in good time is refused before it runs: it is quadratic in the depth
//! of `{` and in the number of `%TAG` lines, and aliases may grow a small file without bound.
//! Its messages are never shown where they could quote a value.

mod build;
mod locate;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed as _, IgnoredAny};
use serde_yaml::Deserializer;

use crate::error::Problems;
use crate::tree::{NodeId, Tree};
use build::{Fault, Fill, Grow};
use locate::Locate;

/// A Kubernetes `ConfigMap` holds no more; some 3,000 regions.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// `[` and `{` together, `${` included. The parser's time grows with their square: 0.5 s here.
const MAX_OPENERS: usize = 10_000;

/// Parses a file, or says why it is not one: at most one problem, since nothing can be known of
/// what follows it.
pub(crate) fn parse(bytes: &[u8]) -> Result<(&str, Tree), Problems> {
    let text = readable(bytes)?;
    let mut documents = Deserializer::from_str(text);
    if let Some(first) = documents.next()
        && let Err(error) = IgnoredAny::deserialize(first)
    {
        // the parser's own complaints are fixed sentences that quote nothing
        let line = error.location().map(|at| at.line());
        return Err(Problems::whole_file(line, format!("this is not YAML: {}", hint(&error))));
    }
    if let Some(second) = documents.next() {
        let line = locate::nothing_but(second).location().map(|at| at.line());
        let message = "a second document begins: leave out the `---` and what follows";
        return Err(Problems::whole_file(line, message));
    }
    let mut grow = Grow::new();
    if let Err(error) = grow.root().deserialize(Deserializer::from_str(text)) {
        // aliases that explode have no place: that of the value which they were to make will do
        let place = error.location().map(|at| at.line());
        let line = place.or_else(|| line(text, &grow.tree, grow.tree.newest_top()));
        let fault = grow.fault.unwrap_or_else(|| fault(&error));
        return Err(Problems::whole_file(line, fault.to_string()));
    }
    let mut tree = grow.tree;
    let fill = Fill { tree: &mut tree, node: NodeId::ROOT };
    if let Err(error) = fill.deserialize(Deserializer::from_str(text)) {
        let line = error.location().map(|at| at.line());
        return Err(Problems::whole_file(line, fault(&error).to_string()));
    }
    Ok((text, tree))
}

/// The line of a node, from 1: for an entry of a mapping that of its key. Parses the text again:
/// the crate tells where something is only when it refuses it.
pub(crate) fn line(text: &str, tree: &Tree, node: NodeId) -> Option<usize> {
    let positions = tree.positions(node);
    let error = Locate::new(&positions).deserialize(Deserializer::from_str(text)).err()?;
    error.location().map(|at| at.line())
}

/// Text that the parser can take in good time.
fn readable(bytes: &[u8]) -> Result<&str, Problems> {
    let line_at = |offset: usize| {
        let before = bytes.iter().take(offset);
        Some(1 + before.filter(|byte| **byte == b'\n').count())
    };
    if bytes.len() > MAX_FILE_BYTES {
        let message = "the file is larger than 1 MiB: this is not a configuration of Nearway";
        return Err(Problems::whole_file(Some(1), message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message = "this is not UTF-8: save the file as UTF-8";
        Problems::whole_file(line_at(error.valid_up_to()), message)
    })?;
    let mut openers = 0_usize;
    let mut line_begins = true;
    for (offset, char) in text.char_indices() {
        let refusal = match char {
            '[' | '{' => {
                openers += 1;
                (openers > MAX_OPENERS)
                    .then_some("more than 10000 `[` and `{`: write lists and mappings as lines")
            }
            '%' if line_begins => Some("directives are not supported: leave this line out"),
            '\n' | '\t' | '\r' | '\u{85}' => None,
            '\u{feff}' if offset == 0 => None,
            '\u{feff}' | '\u{fffe}' | '\u{ffff}' => Some("an invisible character: leave it out"),
            _ if char.is_control() => Some("a control character: leave it out"),
            _ => None,
        };
        if let Some(message) = refusal {
            return Err(Problems::whole_file(line_at(offset), message));
        }
        line_begins = matches!(char, '\n' | '\r');
    }
    // the parser takes a byte order mark for a document of its own
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// A syntax error with the mistake that is usually behind it.
fn hint(error: &serde_yaml::Error) -> String {
    let mut said = error.to_string();
    if said.starts_with("found character that cannot start any token") {
        said.push_str(" (indent with blanks, not tabs; quote a value that begins with @ ` or %)");
    } else if said.starts_with("mapping values are not allowed") {
        said.push_str(
            " (put a blank after each `:`; indent the keys of one mapping alike; quote a value that \
             holds `: `)",
        );
    } else if said.starts_with("could not find expected ':'") {
        said.push_str(" (put a blank after the `:`)");
    } else if said.starts_with("did not find expected ','") {
        said.push_str(" (quote a ${NAME} within { } or [ ], and close each of them)");
    }
    said
}

/// For an error of the crate's own; its text is looked at, never shown.
fn fault(error: &serde_yaml::Error) -> Fault {
    let said = error.to_string();
    if said.starts_with("recursion limit") {
        Fault::TooDeep
    } else if said.starts_with("repetition limit") {
        Fault::TooMuch
    } else {
        Fault::Tagged
    }
}
