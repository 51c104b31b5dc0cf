//! The frames that Nearway writes itself: an answer to a ping, an error, a last word.
//!
//! Towards a client they are plain; towards a region, whose client Nearway is, they are masked (RFC 6455
//! section 5.3). The caller gives the mask: no chance in a pure crate.

use super::frame::{CONTROL_MAX, Opcode, unmask};

/// The last word of one side: a code and a reason, cut to what fits.
#[must_use]
pub fn close(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let code = code.to_be_bytes();
    let most = reason.len().min(usize::from(CONTROL_MAX) - code.len());
    // at most three bytes short of it
    let reason = (0..=most).rev().find_map(|end| reason.get(..end)).unwrap_or_default();
    let payload = [&code, reason.as_bytes()].concat();
    frame(Opcode::Close, &payload, mask)
}

/// A server's answer to a ping; a payload that no ping may have is cut.
#[must_use]
pub fn pong(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Pong, payload.get(..usize::from(CONTROL_MAX)).unwrap_or(payload), None)
}

/// A server's message of text.
#[must_use]
pub fn text(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Text, payload, None)
}

fn frame(opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![0x80 | opcode.number()];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=CONTROL_MAX), _) => frame.push(masked | short),
        (_, Ok(long)) => {
            frame.push(masked | 126);
            frame.extend(long.to_be_bytes());
        }
        _ => {
            frame.push(masked | 127);
            let longest = u64::try_from(payload.len()).unwrap_or(u64::MAX);
            frame.extend(longest.to_be_bytes());
        }
    }
    frame.extend(mask.into_iter().flatten());
    let head = frame.len();
    frame.extend_from_slice(payload);
    if let (Some(mask), Some(payload)) = (mask, frame.get_mut(head..)) {
        unmask(payload, mask, 0);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::super::Frames;
    use super::*;

    #[test]
    fn what_is_written_is_one_frame() {
        let long = "x".repeat(70_000);
        for (written, opcode, payload) in [
            (text(b"hi"), Opcode::Text, 2),
            (text(&[b'x'; 126]), Opcode::Text, 126),
            (text(long.as_bytes()), Opcode::Text, 70_000),
            (pong(b""), Opcode::Pong, 0),
            (pong(&[b'x'; 200]), Opcode::Pong, 125),
            (close(1001, "bye", Some([1, 2, 3, 4])), Opcode::Close, 5),
            (close(1011, &long, None), Opcode::Close, 125),
            (close(1011, &"ä".repeat(70), None), Opcode::Close, 124),
        ] {
            let mut frames = Frames::default();
            let mut rest = &written[..];
            let head = frames.next(&mut rest).unwrap().frame.unwrap();
            assert_eq!((head.opcode, head.payload, head.is_last), (opcode, payload, true));
            frames.passed(rest);
            assert!(frames.is_between(), "{opcode:?}");
        }
    }

    #[test]
    fn a_close_says_code_and_reason_and_is_masked_for_a_server() {
        assert_eq!(close(1001, "bye", None), [&[0x88, 5, 0x03, 0xe9][..], b"bye"].concat());
        let mask = [9, 8, 7, 6];
        let mut masked = close(1001, "bye", Some(mask));
        assert_eq!(masked[..6], [0x88, 0x85, 9, 8, 7, 6]);
        unmask(&mut masked[6..], mask, 0);
        assert_eq!(masked[6..], [&[0x03, 0xe9][..], b"bye"].concat());
    }
}
