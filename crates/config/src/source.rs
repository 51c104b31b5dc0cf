//! From the text of a scalar to its value: variables, `file:` and the key's own rules, in this order.
//! What does not fit is reported at its place, and the default or nothing stands in for it, so that
//! the rest of the file is still checked. The values of [`crate::resolve`] all come from here.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use nearway_wire::client_key::KeyDigest;
use schemars::{Schema, json_schema};
use secrecy::SecretString;

use crate::choice::{Choice, Switched, Word};
use crate::interpolate::interpolate;
use crate::names::Scalar;
use crate::open::Open;
use crate::report::Report;
use crate::text::{Sketch, Text};
use crate::tree::{NodeId, Tree, Value};
use crate::units::{Bounded, Unit};
use crate::{Env, Secrets};

/// What stands before the path of a file that holds a secret.
const FILE: &str = "file:";
/// What stands before the digest of a client's key.
const SHA256: &str = "sha256:";

/// Marks a text that should hold a client's key, or its digest.
pub(crate) struct ClientKey;

/// Reads the scalars of one file.
pub(crate) struct Source<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) report: &'a Report,
    pub(crate) env: &'a dyn Env,
    pub(crate) files: &'a dyn Secrets,
}

impl Source<'_> {
    /// A quantity within its bounds.
    pub(crate) fn quantity<T: Unit>(&self, text: Option<Text<T>>, key: &Bounded<T>) -> T {
        let read = self.read(text, |text| key.parse(text));
        read.unwrap_or(key.default)
    }

    /// A quantity, or `None` for the word that leaves it open.
    pub(crate) fn open<O: Open>(
        &self,
        text: Option<Text<O>>,
        key: &Bounded<O::Of>,
    ) -> Option<O::Of> {
        let parse = |text: &str| match text {
            word if word == O::WORD => Ok(None),
            quantity => {
                let or_word = |wanted| format!("{wanted}, or `{}`", O::WORD);
                key.parse(quantity).map(Some).map_err(or_word)
            }
        };
        self.read(text, parse).flatten()
    }

    /// A word of a closed set.
    pub(crate) fn word<C: Choice>(&self, text: Option<Text<Word<C>>>, default: C) -> C {
        self.read(text, C::parse).unwrap_or(default)
    }

    /// `true` or `false`.
    pub(crate) fn switched(&self, text: Option<Text<Switched>>, default: bool) -> bool {
        self.read(text, bool::parse).unwrap_or(default)
    }

    /// A text that means itself.
    pub(crate) fn scalar<S: Scalar>(&self, text: Option<Text<S>>) -> Option<S::Made> {
        self.read(text, S::parse)
    }

    /// A region's key, written here, in a variable or in a file; a line end behind it does not count.
    pub(crate) fn secret(&self, text: Option<Text<SecretString>>) -> Option<SecretString> {
        self.key(text, "or leave api_key out to pass the client's own", |key| Ok(key.into()))
    }

    /// A client's key in the same places, or what follows `sha256:` there.
    pub(crate) fn client_key(&self, text: Text<ClientKey>) -> Option<KeyDigest> {
        self.key(Some(text), "or leave it out", |key| match key.strip_prefix(SHA256) {
            None => Ok(KeyDigest::of(key.as_bytes())),
            Some(hex) => KeyDigest::from_hex(hex).ok_or_else(|| {
                "write the key's SHA-256 behind `sha256:`, as 64 hexadecimal digits".to_owned()
            }),
        })
    }

    fn key<T, V>(
        &self,
        text: Option<Text<T>>,
        or_else: &str,
        parse: impl FnOnce(&str) -> Result<V, String>,
    ) -> Option<V> {
        let node = text.and_then(|text| text.node)?;
        if let Value::Text(written) = self.tree.value(node)
            && lacks_braces(written)
        {
            self.report.wrong(node, "a variable needs braces: write ${NAME}, or $$ for a plain $");
            return None;
        }
        self.read(text, |text| {
            let key = match text.strip_prefix(FILE) {
                None => Cow::Borrowed(text),
                Some(path) => Cow::Owned(self.file(Path::new(path))?),
            };
            let key = key.trim_end_matches(['\r', '\n']);
            if key.is_empty() {
                return Err(format!(
                    "the key is empty: fill the variable or the file that it comes from, {or_else}"
                ));
            }
            if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("a blank, a line end or another character that no key has: write the \
                            key alone, ${NAME} or file:/path"
                    .to_owned());
            }
            parse(key)
        })
    }

    /// A file of certificates, and where it is.
    pub(crate) fn certificates(&self, text: Option<Text<PathBuf>>) -> Option<(PathBuf, String)> {
        self.read(text, |text| {
            let path = PathBuf::from(text.strip_prefix(FILE).unwrap_or(text));
            let pem = self.file(&path)?;
            if !pem.contains("-----BEGIN CERTIFICATE-----") {
                return Err("the file holds no PEM certificate: name one that does".to_owned());
            }
            self.files.usable(&pem).map_err(|why| {
                format!("a certificate here cannot be used ({why}): replace it in the file")
            })?;
            Ok((path, pem))
        })
    }

    /// Whether a value is left out or fine by itself, so that it may be held against others: a
    /// default that stands in for a wrong value must not cause a second problem.
    pub(crate) fn is_fine<T>(&self, text: Option<Text<T>>) -> bool {
        text.is_none_or(|text| text.node.is_some_and(|node| self.report.is_fine(node)))
    }

    /// Reports a value that is fine by itself but not beside others.
    pub(crate) fn wrong<T>(&self, text: Option<Text<T>>, message: impl Into<String>) {
        if let Some(node) = text.and_then(|text| text.node) {
            self.report.wrong(node, message);
        }
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        // the path itself is a value, and not shown
        let hint = if path.is_absolute() { "" } else { "; write the whole path, from / on" };
        let unreadable = |reason| format!("the file named here cannot be read: {reason}{hint}");
        self.files.read(path).map_err(unreadable)
    }

    fn read<T, V>(
        &self,
        text: Option<Text<T>>,
        parse: impl FnOnce(&str) -> Result<V, String>,
    ) -> Option<V> {
        let node = text?.node?;
        let text = self.complete(node)?;
        parse(&text).map_err(|message| self.report.wrong(node, message)).ok()
    }

    fn complete(&self, node: NodeId) -> Option<Cow<'_, str>> {
        let Value::Text(text) = self.tree.value(node) else { return None };
        match interpolate(text, self.env) {
            Ok(text) => Some(text),
            Err(faults) => {
                for fault in faults {
                    self.report.wrong(node, fault.to_string());
                }
                None
            }
        }
    }
}

/// Whether this is `$NAME` as a shell would read it: no key looks like that.
fn lacks_braces(written: &str) -> bool {
    written.strip_prefix('$').is_some_and(|name| {
        name.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase())
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    })
}

impl Sketch for SecretString {
    fn sketch() -> Schema {
        json_schema!({"type": "string", "pattern": r"^[!-~]+[\r\n]*$|^file:.|\$\{"})
    }
}

impl Sketch for ClientKey {
    fn sketch() -> Schema {
        SecretString::sketch()
    }
}

impl Sketch for PathBuf {
    fn sketch() -> Schema {
        json_schema!({"type": "string", "minLength": 1})
    }
}
