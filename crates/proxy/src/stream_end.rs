//! How a stream ends: with an error of the region's in it, or, when the region breaks off, with an
//! event of Nearway's that says so.

use bytes::Bytes;
use nearway_wire::endpoint::Operation;
use nearway_wire::remarks::Remarks;
use nearway_wire::sse::events_in;
use nearway_wire::stream_error::{Boundary, ends_in_failure, error_event};

use crate::refuse::{IDLE_TIMEOUT, TIMEOUT};
use crate::relay::RelayError;

/// Events of a stream that have no token: of the filter, of the role, at the end.
const FRAME: u32 = 4;

/// What is remembered of a stream while it passes.
#[derive(Debug)]
pub(crate) struct StreamEnd {
    operation: Operation,
    boundary: Boundary,
    last: [Bytes; 2],
    events: u32,
}

impl StreamEnd {
    pub(crate) fn new(operation: Operation) -> Self {
        let last = [Bytes::new(), Bytes::new()];
        Self { operation, boundary: Boundary::default(), last, events: 0 }
    }

    /// A chunk goes to the client.
    pub(crate) fn passed(&mut self, data: &Bytes) {
        self.boundary.passed(data);
        self.events = self.events.saturating_add(events_in(data));
        self.last.rotate_left(1);
        let [_, last] = &mut self.last;
        *last = data.clone();
    }

    /// Whether the stream ended in an error of the region's.
    pub(crate) fn failed(&self) -> bool {
        ends_in_failure(&self.last)
    }

    /// What its last events say of it. A stream that does not tell its tokens has about one in each event.
    pub(crate) fn remarks(&self) -> Remarks {
        let [earlier, last] = &self.last;
        let said = Remarks::at_end(last).or(Remarks::at_end(earlier));
        let counted = self.events.saturating_sub(FRAME);
        Remarks { output: if said.output > 0 { said.output } else { counted }, ..said }
    }

    /// The event that tells the client why there is no more; `None` in the middle of another one,
    /// which it would be taken for a part of.
    pub(crate) fn farewell(&self, error: &RelayError) -> Option<Bytes> {
        let code = match error {
            RelayError::Truncated(_) => "nearway_stream_broken",
            RelayError::Idle(_) => IDLE_TIMEOUT,
            RelayError::Total(_) => TIMEOUT,
        };
        let event =
            || error_event(self.operation, &format!("The stream ended early: {error}."), code);
        self.boundary.is_between().then(event)
    }
}
