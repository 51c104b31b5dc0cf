//! Whether what a region says is the answer: by its status, by how its body begins, and for a 4xx by
//! whether it says that the region lacks something.

use futures_util::future::OptionFuture;
use nearway_route::Awaited;
use nearway_upstream::{Fault, FaultKind, Reply, Transport};
use nearway_wire::error_body::{ERROR_BODY_LIMIT, read_error};
use nearway_wire::headers::is_event_stream;

use super::{FirstEventWait, Search, silent};
use crate::hold_first::{BadStart, Until, hold_first, hold_short, until};

impl<T: Transport> Search<'_, T> {
    /// The reply if it is an answer that the client should get, else the fault that it is; the reply
    /// comes with that if it is an answer all the same.
    pub(super) async fn judge(
        &mut self,
        reply: Box<Reply>,
        wait: FirstEventWait,
    ) -> Result<Box<Reply>, (Option<Box<Reply>>, Fault)> {
        let until = until(&reply);
        let streams_tokens = self.original.identity.operation.streams_tokens();
        self.settle.awaits(match until {
            Some(Until::FirstEvent) => streams_tokens.then_some(Awaited::FirstToken),
            Some(Until::End) => Some(Awaited::End),
            None => None,
        });
        match Fault::from_status(reply.response.status()) {
            None => match until.filter(|until| self.holds(*until)) {
                Some(until) => self.hold(reply, until, wait).await,
                None => Ok(reply),
            },
            Some(fault) if fault.kind == FaultKind::Rejected => {
                Err(Box::pin(self.rejected(reply, fault)).await)
            }
            // another region's key
            Some(fault) if fault.kind == FaultKind::Unauthorized && self.searches_by_key() => {
                Err((Some(reply), Fault { kind: FaultKind::UnknownObject, ..fault }))
            }
            Some(fault) => Err((Some(reply), fault)),
        }
    }

    /// Whether it is not known which region minted the key that the request shows.
    fn searches_by_key(&self) -> bool {
        let identity = &self.original.identity;
        identity.ephemeral.is_some() && identity.bonds.searches
    }

    fn holds(&self, until: Until) -> bool {
        self.prepared.settings.hold_first_event
            && (until == Until::FirstEvent || !self.original.may_create_state())
    }

    async fn hold(
        &mut self,
        mut reply: Box<Reply>,
        until: Until,
        wait: FirstEventWait,
    ) -> Result<Box<Reply>, (Option<Box<Reply>>, Fault)> {
        let before = self.settle.elapsed();
        let (silence, is_last) = (self.settle.silence(), self.is_last());
        let patience = wait.patience.min(self.deadline.saturating_sub(before));
        let begun = async {
            match until {
                Until::FirstEvent => hold_first(&mut reply, patience, is_last).await,
                Until::End => hold_short(&mut reply).await,
            }
        };
        // also while a second region is at work, or the budget allows none
        let mut begins = Box::pin(async {
            tokio::select! {
                biased;
                begun = begun => begun,
                () = silence, if !is_last => Err(BadStart { fault: silent(), is_answer: false }),
            }
        });
        let stuck = OptionFuture::from(self.stuck());
        let held = tokio::select! {
            biased;
            held = &mut begins => Some(held),
            Some(()) = stuck => None,
        };
        let held = match held {
            Some(held) => held,
            None => match Box::pin(self.begin_beside(&mut begins, patience)).await {
                Ok(None) => Ok(()),
                Ok(Some(other)) => {
                    self.settle.waited(self.settle.elapsed().saturating_sub(before));
                    return Ok(self.rescued(other));
                }
                Err(bad) => Err(bad),
            },
        };
        drop(begins);
        self.settle.waited(self.settle.elapsed().saturating_sub(before));
        if let Err(BadStart { fault, is_answer }) = held {
            return Err((is_answer.then_some(reply), fault));
        }
        if until == Until::End {
            self.settle.awaits(None);
        }
        Ok(reply)
    }

    /// The answer of a second region, which has begun well.
    fn rescued(&mut self, reply: Box<Reply>) -> Box<Reply> {
        self.settle.quota(reply.response.headers());
        let streams_tokens = self.original.identity.operation.streams_tokens();
        let is_stream = streams_tokens && is_event_stream(reply.response.headers());
        self.settle.awaits(is_stream.then_some(Awaited::FirstToken));
        reply
    }

    /// A 4xx that may say that this region lacks, or takes less than, what another one does (API fact
    /// sheet 4.1, 4.3).
    async fn rejected(
        &mut self,
        mut reply: Box<Reply>,
        fault: Fault,
    ) -> (Option<Box<Reply>>, Fault) {
        let status = reply.response.status().as_u16();
        if !matches!(status, 400 | 404) {
            return (Some(reply), fault);
        }
        let before = self.settle.elapsed();
        let body = reply.response.body_mut().peek_whole(ERROR_BODY_LIMIT).await;
        self.settle.waited(self.settle.elapsed().saturating_sub(before));
        let facts = body.map(|body| read_error(&body)).unwrap_or_default();
        let kind = if facts.is_lacking(status) {
            FaultKind::MissingDeployment
        } else if facts.is_too_long(status) && self.is_at_provisioned() {
            // another one of that kind takes no more
            self.original.identity.is_long = true;
            FaultKind::ContextLength
        } else if self.original.identity.bonds.may_be_elsewhere() && facts.names_unknown(status) {
            FaultKind::UnknownObject
        } else {
            fault.kind
        };
        (Some(reply), Fault { kind, ..fault })
    }

    fn is_at_provisioned(&self) -> bool {
        let asked = self.settle.place().and_then(|place| self.prepared.settings.regions.get(place));
        asked.is_some_and(|target| target.provisioned)
    }
}
