//! When an answer, streamed or not, holds its first token: told from its pieces.

/// What came so far, until content was found.
#[derive(Debug, Default)]
pub(crate) struct FirstContent(Vec<u8>);

impl FirstContent {
    /// Whether content is there with this piece; not to be asked again behind it. Pieces end anywhere.
    pub(crate) fn is_here(&mut self, piece: &[u8]) -> bool {
        self.0.extend_from_slice(piece);
        let text = String::from_utf8_lossy(&self.0);
        let mut contents = text.split(r#""content":""#).skip(1);
        contents.any(|rest| rest.starts_with(|first| first != '"'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "data: {\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}\n\n";
    const TOKEN: &str = "data: {\"delta\":{\"content\":\"word\"}}\n\n";

    #[test]
    fn a_role_is_no_content() {
        let mut first = FirstContent::default();
        assert!(!first.is_here(ROLE.as_bytes()));
        assert!(first.is_here(TOKEN.as_bytes()));
    }

    #[test]
    fn content_is_found_behind_a_role_in_the_same_piece() {
        assert!(FirstContent::default().is_here(format!("{ROLE}{TOKEN}").as_bytes()));
    }

    #[test]
    fn content_is_found_wherever_pieces_end() {
        let text = format!("{ROLE}{TOKEN}");
        let word = text.find("word").unwrap();
        for cut in 0..text.len() {
            let mut first = FirstContent::default();
            let (one, other) = text.as_bytes().split_at(cut);
            assert_eq!(first.is_here(one), cut > word, "{cut}");
            assert!(first.is_here(other) || cut > word, "{cut}");
        }
    }

    #[test]
    fn an_answer_that_is_not_streamed_has_it_too() {
        let whole = br#"{"choices":[{"message":{"role":"assistant","content":"word word"}}]}"#;
        assert!(FirstContent::default().is_here(whole));
    }
}
