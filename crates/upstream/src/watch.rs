//! Notices interim answers (1xx) among the bytes that a region sends before its final answer.
//!
//! hyper's client skips them; its callback for them costs four allocations for each request, whether
//! one comes or not. This costs a look at the first bytes of each answer. It is stricter than hyper:
//! at the first byte that does not belong to a plain interim head it looks no further, so it can
//! miss one but never take anything else for one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::interim::{BYTES_MAX, Interim};

/// Shared by the connection's stream and whoever sends requests on it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    awaiting: AtomicBool,
    to: Mutex<Option<Interim>>,
}

/// The stream's end.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    watch: Arc<Watch>,
    // an interim head of which the end is not here yet
    part: Vec<u8>,
}

impl Watch {
    /// A request is about to be sent; its interim answers go to `to`.
    pub(crate) fn expect(&self, to: Option<&Interim>) {
        let Some(to) = to else { return self.awaiting.store(false, Ordering::Relaxed) };
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = Some(to.clone());
        self.awaiting.store(true, Ordering::Relaxed);
    }

    fn pass(&self, line: &[u8], headers: HeaderMap) {
        if let Some(to) = &*self.to.lock().unwrap_or_else(PoisonError::into_inner) {
            to.pass(line, headers);
        }
    }
}

impl Watcher {
    pub(crate) fn watch(&self) -> Arc<Watch> {
        self.watch.clone()
    }

    /// Looks at what was read.
    pub(crate) fn look(&mut self, bytes: &[u8]) {
        if !self.watch.awaiting.load(Ordering::Relaxed) || bytes.is_empty() {
            return;
        }
        let joined;
        let mut rest = bytes;
        if !self.part.is_empty() {
            self.part.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.part);
            rest = &joined;
        }
        loop {
            match read(rest) {
                Seen::Other => return self.watch.awaiting.store(false, Ordering::Relaxed),
                Seen::Part => {
                    self.part = rest.to_vec();
                    return;
                }
                Seen::Head { line, headers, behind } => {
                    if !line.starts_with(CONTINUE) {
                        self.watch.pass(line, headers);
                    }
                    rest = behind;
                }
            }
        }
    }
}

/// What an answer begins with.
#[derive(Debug)]
enum Seen<'a> {
    /// Not an interim answer, or nothing that is surely one.
    Other,
    /// Perhaps one; more bytes will tell.
    Part,
    Head {
        line: &'a [u8],
        headers: HeaderMap,
        behind: &'a [u8],
    },
}

fn read(bytes: &[u8]) -> Seen<'_> {
    let begin = bytes.len().min(INTERIM.len());
    if bytes.get(..begin) != INTERIM.get(..begin) || bytes.starts_with(SWITCHING) {
        return Seen::Other;
    }
    let Some(length) = bytes.windows(END.len()).position(|window| window == END) else {
        return if bytes.len() < BYTES_MAX { Seen::Part } else { Seen::Other };
    };
    let (head, behind) = bytes.split_at(length);
    let behind = behind.get(END.len()..).unwrap_or_default();
    match parse(head) {
        Some((line, headers)) => Seen::Head { line, headers, behind },
        None => Seen::Other,
    }
}

/// Status line and headers, if every line is what it should be.
fn parse(head: &[u8]) -> Option<(&[u8], HeaderMap)> {
    let (line, mut rest) = split_line(head);
    let (_, code) = line.split_at_checked(INTERIM.len() - 1)?;
    let (code, reason) = code.split_at_checked(3)?;
    let good = code.iter().all(u8::is_ascii_digit)
        && reason.first() == Some(&b' ')
        && HeaderValue::from_bytes(reason).is_ok();
    let mut headers = HeaderMap::new();
    while !rest.is_empty() {
        let (field, behind) = split_line(rest);
        rest = behind;
        let colon = field.iter().position(|byte| *byte == b':')?;
        let (name, value) = (field.get(..colon)?, field.get(colon + 1..)?);
        // as a whole first: a stray CR or LF is not white space
        HeaderValue::from_bytes(value).ok()?;
        let value = HeaderValue::from_bytes(value.trim_ascii()).ok()?;
        headers.append(HeaderName::from_bytes(name).ok()?, value);
    }
    good.then_some((line, headers))
}

fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.windows(2).position(|window| window == b"\r\n").unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    (line, rest.get(2..).unwrap_or_default())
}

const INTERIM: &[u8] = b"HTTP/1.1 1";
const CONTINUE: &[u8] = b"HTTP/1.1 100";
const SWITCHING: &[u8] = b"HTTP/1.1 101";
const END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interim::InterimReader;

    const FINAL: &str = "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 103 E\r\n\r\n";

    /// What is passed on of these pieces.
    fn passed<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
        let reader = InterimReader::default();
        let mut watcher = Watcher::default();
        watcher.watch().expect(Some(&reader.interims().open()));
        pieces.for_each(|piece| watcher.look(piece));
        String::from_utf8(reader.take()).unwrap()
    }

    #[test]
    fn interim_heads_pass_however_they_are_cut() {
        let heads = "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 150 \r\n\r\n";
        let all = format!("HTTP/1.1 100 C\r\n\r\n{heads}{FINAL}");
        for size in 1..all.len() {
            assert_eq!(passed(all.as_bytes().chunks(size)), heads, "{size}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        for bytes in [
            FINAL,
            "HTTP/1.1 101 S\r\n\r\nHTTP/1.1 103 E\r\n\r\n",
            "HTTP/1.0 103 E\r\n\r\n",
            "\r\nHTTP/1.1 103 E\r\n\r\n",
            "HTTP/1.1 1030 E\r\n\r\n",
            "HTTP/1.1 1x3 E\r\n\r\n",
            "HTTP/1.1 103\r\n\r\n",
            "HTTP/1.1 103 E\nx: 1\r\n\r\n",
            "HTTP/1.1 103 E\r\nx: 1\n\r\n\r\n",
            "HTTP/1.1 103 E\r\nx: 1\r\r\n\r\n",
            "HTTP/1.1 103 E\r\nx : 1\r\n\r\n",
            "HTTP/1.1 103 E\r\nx: 1\r\n folded\r\n\r\n",
            "HTTP/1.1 103 E\r\nno colon\r\n\r\n",
            "HTTP/1.1 103 E\r\nx: \0\r\n\r\n",
        ] {
            assert_eq!(passed(std::iter::once(bytes.as_bytes())), "", "{bytes:?}");
            assert_eq!(passed(bytes.as_bytes().chunks(1)), "", "{bytes:?}");
        }
    }

    #[test]
    fn a_late_one_goes_nowhere() {
        let reader = InterimReader::default();
        let mut watcher = Watcher::default();
        let (first, interims) = (reader.interims().open(), reader.interims());
        watcher.watch().expect(Some(&first));
        let _second = interims.open();
        watcher.look(b"HTTP/1.1 103 E\r\n\r\n");
        assert!(!reader.is_filled());
        let third = interims.open();
        watcher.watch().expect(Some(&third));
        third.close();
        watcher.look(b"HTTP/1.1 103 E\r\n\r\n");
        assert!(!reader.is_filled());
    }
}
