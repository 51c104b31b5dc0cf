//! Reads all of a region's answer that a list of all regions is made of. What is not all of it is none: with a
//! part, the list would miss what stood in the rest, and look whole.

use std::time::Duration;

use bytes::Bytes;
use nearway_upstream::{FaultKind, RegionBody};
use tokio::time::timeout;

use super::room::{Room, STEP};

/// The most bytes of one region's page.
pub(super) const PAGE_MOST: usize = 16 * 1024 * 1024;
/// Why there is not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotWhole {
    /// The region did not give it.
    Failed(FaultKind),
    /// It is longer than [`PAGE_MOST`].
    TooLong,
    /// There is no room for it.
    NoRoom,
}

/// All of a body, which stays to be read, too. Each [`STEP`] may pause for so long.
///
/// # Errors
/// It breaks off, stops for longer than `patience`, is too long or finds no room.
pub(super) async fn read_whole(
    body: &mut RegionBody,
    patience: Duration,
    room: &mut Room,
) -> Result<Bytes, NotWhole> {
    let (mut bytes, mut taken) = (0, 0);
    loop {
        let mut step = 0;
        let is_enough = |data: &Bytes| {
            step += data.len();
            step >= STEP
        };
        let has_more = match timeout(patience, body.read_until(is_enough)).await {
            Ok(Ok(has_more)) => has_more,
            Ok(Err(_broken)) => return Err(NotWhole::Failed(FaultKind::Truncated)),
            Err(_elapsed) => return Err(NotWhole::Failed(FaultKind::IdleTimeout)),
        };
        bytes += step;
        if bytes > PAGE_MOST {
            return Err(NotWhole::TooLong);
        }
        if !has_more {
            // nothing is left to wait for
            return body.peek_whole(0).await.ok_or(NotWhole::Failed(FaultKind::Truncated));
        }
        while taken < bytes / STEP {
            room.take_step().ok_or(NotWhole::NoRoom)?;
            taken += 1;
        }
    }
}
