//! The body of an answer to a client: a region's, relayed, or Nearway's own.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::relay::{RelayError, Relayed};

/// What goes back to a client.
#[derive(Debug)]
pub struct ClientBody(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Option<Bytes>),
    // boxed: it is large, and a body is moved several times on its way
    Relayed(Box<Relayed>),
}

impl ClientBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Inner::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    pub(crate) fn relayed(relayed: Box<Relayed>) -> Self {
        Self(Inner::Relayed(relayed))
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match &mut self.get_mut().0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Relayed(relayed) => Pin::new(relayed.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.is_none(),
            Inner::Relayed(relayed) => relayed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Inner::Relayed(relayed) => relayed.size_hint(),
        }
    }
}
