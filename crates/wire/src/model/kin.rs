//! What requests that belong together have in common, found in the pass that finds the model: a key that
//! their client gave them, else how their prompts begin.
//!
//! Only hashes leave this file, under a seed of the caller's: who sees one learns nothing of the text, and
//! no client can aim at another one's. Nothing is allocated.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

use crate::json::key::Key;

/// The search in one body.
#[derive(Debug)]
pub(super) struct KinScan {
    seed: RandomState,
    of_prompt: bool,
    /// The best key so far.
    key: Option<(Rank, u64)>,
    /// A key whose value has begun.
    open: Option<Value>,
    /// Where the prompt begins in this chunk.
    prompt_at: Option<usize>,
    prompt: Option<Beginning>,
}

/// Which key tells more of who belongs together: the first that the API takes for that, then the one that
/// names a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    CacheKey,
    User,
}

/// A key's value, as far as it was seen.
#[derive(Debug)]
struct Value {
    rank: Rank,
    hasher: DefaultHasher,
    /// Where it goes on in this chunk.
    from: usize,
    is_empty: bool,
}

/// The first bytes of a prompt.
#[derive(Debug)]
struct Beginning {
    hasher: DefaultHasher,
    left: usize,
}

impl KinScan {
    /// Looks for keys, and where there are none and it is wanted `of_prompt` for how the prompt begins.
    pub(super) fn new(seed: &RandomState, of_prompt: bool) -> Self {
        let seed = seed.clone();
        Self { seed, of_prompt, key: None, open: None, prompt_at: None, prompt: None }
    }

    /// What was found so far: of a key's value, else of the whole beginning of the prompt.
    pub(super) fn found(&self) -> Option<u64> {
        let whole = |prompt: &&Beginning| prompt.left == 0;
        let of_prompt = || Some(self.prompt.as_ref().filter(whole)?.hasher.finish());
        self.key.map(|(_, hash)| hash).or_else(of_prompt)
    }

    /// Whether nothing that follows would be better.
    pub(super) fn is_best(&self) -> bool {
        self.key.is_some_and(|(rank, _)| rank == Rank::CacheKey)
    }

    /// A value of the object begins, with `byte` at this place of the chunk.
    pub(super) fn begins(&mut self, key: &Key, byte: u8, at: usize) {
        let is_prompt = || PROMPTS.iter().any(|prompt| key.is(prompt));
        let is_text = matches!(byte, b'"' | b'[' | b'{');
        if self.of_prompt && self.prompt_at.is_none() && is_text && is_prompt() {
            self.prompt_at = Some(at);
        }
        let is_better = |rank: &Rank| self.key.is_none_or(|(best, _)| *rank < best);
        if byte == b'"'
            && let Some(rank) = Rank::of(key).filter(is_better)
        {
            let hasher = self.hasher(rank as u8);
            self.open = Some(Value { rank, hasher, from: at + 1, is_empty: true });
        }
    }

    /// A value of the object ends, with the byte at this place of the chunk. An empty key is none.
    pub(super) fn ends(&mut self, chunk: &[u8], at: usize) {
        let Some(mut value) = self.open.take() else { return };
        value.take(chunk.get(..at).unwrap_or_default());
        if !value.is_empty {
            self.key = Some((value.rank, value.hasher.finish()));
        }
    }

    /// All of the chunk was looked at, or as much of it as tells something else.
    pub(super) fn fed(&mut self, chunk: &[u8]) {
        if let Some(value) = &mut self.open {
            value.take(chunk);
            value.from = 0;
        }
        let Some(at) = self.prompt_at else { return };
        self.prompt_at = Some(0);
        let hasher = || Beginning { hasher: self.seed.build_hasher(), left: PROMPT_BEGINS };
        let prompt = self.prompt.get_or_insert_with(hasher);
        prompt.take(chunk.get(at..).unwrap_or_default());
    }

    /// Values under different keys are never the same.
    fn hasher(&self, kind: u8) -> DefaultHasher {
        let mut hasher = self.seed.build_hasher();
        hasher.write_u8(kind);
        hasher
    }
}

impl Rank {
    fn of(key: &Key) -> Option<Self> {
        if key.is(b"prompt_cache_key") {
            return Some(Self::CacheKey);
        }
        key.is(b"user").then_some(Self::User)
    }
}

impl Value {
    /// What the chunk has of it, which ends where the value or the chunk does.
    fn take(&mut self, chunk: &[u8]) {
        let value = chunk.get(self.from..).unwrap_or_default();
        self.is_empty &= value.is_empty();
        self.hasher.write(value);
    }
}

impl Beginning {
    fn take(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(..self.left).unwrap_or(bytes);
        self.hasher.write(bytes);
        self.left -= bytes.len();
    }
}

/// How many bytes of a prompt tell who shares it, from the first byte of its value on: those of 256 tokens,
/// by which a region itself chooses the machine that has it in its cache (API fact sheet 10). A cache
/// holds nothing shorter than 1,024, but by so many bytes the turns of a conversation, or requests under
/// the same instructions, would no longer be kin where the first of them is short.
pub const PROMPT_BEGINS: usize = 1024;

/// The members of a request that are its prompt; what stands behind the first of them, in the order of the
/// body, is its beginning.
const PROMPTS: [&[u8]; 5] = [b"messages", b"input", b"prompt", b"instructions", b"tools"];
