//! One attempt: the client's request as this region is to see it, sent.
//!
//! Host, credential and the deployment's name are replaced; nothing is added, everything else goes
//! as it came.

use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Uri};
use hyper::body::Incoming;
use nearway_upstream::{
    Failed, Fault, FaultKind, Home, Interim, Limits, Reply, RequestBody, Splice, Transport,
};
use nearway_wire::asked::leaves_nothing;
use nearway_wire::endpoint::{Operation, rename};
use nearway_wire::headers::{strip_credentials, strip_key_query};
use nearway_wire::model::{ModelField, renamed};
use tokio::time::timeout;

use crate::admit::Admitted;
use crate::belong::{Before, Bonds, belong, named_in_body};
use crate::greet::Greeting;
use crate::hold_body::{Means, Outgoing, Seen, hold_body};
use crate::identify::Identity;
use crate::settle::Settle;
use crate::shape::shape;
use crate::{Refusal, Settings, Target};

/// How long a connection may take to give back the body of an attempt that has ended.
const HOMECOMING: Duration = Duration::from_millis(100);

/// Everything that the attempts of one request share.
#[derive(Debug)]
pub(crate) struct Original {
    pub(crate) identity: Identity,
    pub(crate) admitted: Admitted,
    pub(crate) model: Option<ModelField>,
    pub(crate) outgoing: Outgoing,
    /// Where interim answers go; `None`: nowhere.
    pub(crate) interim: Option<Interim>,
    /// What Nearway says to the handshake of a session that asks in messages.
    pub(crate) greeting: Option<Greeting>,
    home: Option<Home>,
}

impl Original {
    /// Boxed: it is large and goes from step to step.
    pub(crate) fn new(
        identity: Identity,
        admitted: Admitted,
        body: Incoming,
        interim: Option<Interim>,
    ) -> Box<Self> {
        let outgoing = Outgoing::Unread(body);
        let (model, greeting, home) = (None, None, None);
        Box::new(Self { identity, admitted, model, outgoing, interim, greeting, home })
    }

    /// Reads as much of the body as must be seen before a region can be chosen. Tells whether it may name more
    /// than was seen.
    ///
    /// # Errors
    /// The client's failure to deliver it.
    pub(crate) async fn hold_body(&mut self, means: Means<'_>) -> Result<bool, Refusal> {
        let Self { outgoing, admitted, identity, .. } = self;
        let seen = hold_body(outgoing, admitted, identity, means).await?;
        let is_cut = seen.is_cut;
        self.model = identified(identity, seen, means);
        Ok(is_cut)
    }

    /// Whether it can be sent to one region after the other, as far as can be told before.
    fn goes_again(&self, settings: &Settings) -> bool {
        match &self.outgoing {
            Outgoing::Empty | Outgoing::Whole(_, Some(_)) => true,
            Outgoing::Held(_) => {
                let most = u64::try_from(settings.hold_body).unwrap_or(u64::MAX);
                self.admitted.length.is_some_and(|length| length <= most)
            }
            Outgoing::Whole(_, None) | Outgoing::Unread(_) | Outgoing::Away => false,
        }
    }

    /// Finds out where it belongs, as far as that is known.
    ///
    /// # Errors
    /// It can go nowhere.
    pub(crate) fn belong(
        &mut self,
        settings: &Settings,
        settle: &mut Settle,
    ) -> Result<Before, Refusal> {
        let goes_again = self.goes_again(settings);
        belong(&mut self.identity, (&self.admitted.method, goes_again), settings, settle)
    }

    /// A request of its own, without a body, of the same client, that reads `target` where `bonds` say; `None`
    /// if it can't be written.
    pub(crate) fn reading(&self, target: String, bonds: Bonds) -> Option<Box<Self>> {
        let identity = self.identity.reading(target, bonds)?;
        let admitted = self.admitted.reading()?;
        let (model, outgoing, interim) = (None, Outgoing::Empty, None);
        let (greeting, home) = (None, None);
        Some(Box::new(Self { identity, admitted, model, outgoing, interim, greeting, home }))
    }

    /// The same from a session's first message, which is no body: it goes to the region as it is.
    pub(crate) fn heard(&mut self, seen: Seen, means: Means<'_>) {
        self.outgoing = Outgoing::Empty;
        identified(&mut self.identity, seen, means);
    }

    /// Sends the request to one region; it is under way before anything is awaited, so that no
    /// future has room for it.
    pub(crate) fn attempt<'t, T: Transport>(
        &'t mut self,
        transport: &'t T,
        target: &'t Target,
        limits: Limits,
    ) -> impl Future<Output = Result<Box<Reply>, Fault>> + use<'t, T> {
        match self.request_to(target) {
            Ok(request) => {
                let interim = self.interim.as_ref();
                Either::Left(transport.send(&target.region, request, limits, interim))
            }
            Err(fault) => Either::Right(ready(Err(fault))),
        }
    }

    /// Whether the request can go again; waits a moment for its body to come home. A connection that
    /// has answered already and still sends it is ended for that.
    ///
    /// # Errors
    /// The client's own failure to deliver the body.
    pub(crate) async fn can_repeat(&mut self, answer: Option<&mut Reply>) -> Result<bool, Failed> {
        let Some(mut home) = self.home.take() else {
            return Ok(!matches!(self.outgoing, Outgoing::Away));
        };
        let mut held = timeout(HOMECOMING, &mut home).await;
        if held.is_err()
            && let Some(answer) = answer
            && answer.detach().await
        {
            held = timeout(HOMECOMING, &mut home).await;
        }
        let Ok(Ok(held)) = held else { return Ok(false) };
        if let Some(failed) = held.client_failed() {
            return Err(failed);
        }
        let whole = held.can_repeat();
        self.outgoing = Outgoing::Held(held);
        Ok(whole)
    }

    /// Whether its kind of request may leave something behind in a region.
    pub(crate) fn may_create_state(&self) -> bool {
        self.identity.operation.creates_state(&self.admitted.method)
    }

    /// Whether this one does. Reads the body, so it is asked of a request that has failed, and while
    /// the body is here.
    pub(crate) fn creates_state(&self) -> bool {
        let leaves_nothing = || match &self.outgoing {
            Outgoing::Whole(bytes, _) => leaves_nothing(bytes),
            Outgoing::Held(held) => leaves_nothing(&held.kept()),
            Outgoing::Empty | Outgoing::Unread(_) | Outgoing::Away => false,
        };
        self.may_create_state()
            && !(self.identity.operation == Operation::Responses && leaves_nothing())
    }

    /// Whether it may be with two regions at once, unless it [creates state](Self::creates_state): its
    /// body is here, and to stay.
    pub(crate) fn can_go_twice(&self) -> bool {
        let is_here = matches!(self.outgoing, Outgoing::Whole(_, Some(_)) | Outgoing::Empty);
        let may_leave_nothing =
            || !self.may_create_state() || self.identity.operation == Operation::Responses;
        is_here && self.admitted.upgrade.is_none() && may_leave_nothing()
    }

    /// The request as this region is to see it.
    ///
    /// # Errors
    /// It can't be written for this region.
    pub(crate) fn request_to(&mut self, target: &Target) -> Result<Request<RequestBody>, Fault> {
        let name = self.new_name(target);
        let path = self.target_for(target, name.as_deref())?;
        let splice = match (&name, &self.model) {
            (Some(name), Some(field)) => splice(field, name),
            _ => None,
        };
        let headers = self.headers_for(target, splice.as_ref());
        let body = self.body(splice.as_ref());
        let mut request = Request::new(body);
        *request.method_mut() = self.admitted.method.clone();
        *request.uri_mut() = Uri::from(path);
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The region's name for the deployment, where it differs from the client's.
    fn new_name(&self, target: &Target) -> Option<String> {
        let name = self.identity.deployment.as_deref()?;
        target.deployment(name).filter(|regional| *regional != name).map(str::to_owned)
    }

    fn target_for(&self, target: &Target, name: Option<&str>) -> Result<PathAndQuery, Fault> {
        let bad = || Fault::unsent(FaultKind::ClientBody, "the request target grew too long");
        let parse = |text: String| PathAndQuery::try_from(text).map_err(|_invalid| bad());
        let mut path = self.identity.target.clone();
        if let (Some(name), Some(span)) = (name, &self.identity.in_target) {
            path = parse(rename(path.as_str(), span, name))?;
        }
        if self.is_key_replaced(target) {
            let stripped = strip_key_query(path.as_str());
            if stripped.len() != path.as_str().len() {
                path = parse(stripped.into_owned())?;
            }
        }
        target.region.target(&path).ok_or_else(bad)
    }

    /// Whether the region gets none of what the client shows as a key, which may be for Nearway alone.
    fn is_key_replaced(&self, target: &Target) -> bool {
        let Identity { ephemeral, client, .. } = &self.identity;
        target.region.credential().is_some() || client.is_some() || ephemeral.is_some()
    }

    /// Whether the key that a region sees is Nearway's.
    pub(crate) fn shows_own_key(&self, target: &Target) -> bool {
        target.region.credential().is_some() && self.identity.ephemeral.is_none()
    }

    fn headers_for(&mut self, target: &Target, splice: Option<&Splice>) -> HeaderMap {
        let mut headers = self.admitted.headers.give();
        if self.is_key_replaced(target) {
            strip_credentials(&mut headers);
        }
        match (&self.identity.ephemeral, target.region.credential()) {
            // what it stands for would be lost with another
            (Some(key), _) => key.show(&mut headers),
            (None, Some(credential)) => credential.apply(&mut headers),
            (None, None) => {}
        }
        headers.insert(HOST, target.region.host().clone());
        if let Some(upgrade) = &self.admitted.upgrade {
            headers.insert(UPGRADE, upgrade.clone());
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if let (Some(splice), Some(length)) = (splice, self.admitted.length) {
            headers.insert(CONTENT_LENGTH, splice.resized(length).into());
        }
        // said aloud: hyper takes a GET or HEAD without a word on framing for one without a body
        if self.admitted.length.is_none() && !matches!(self.outgoing, Outgoing::Empty) {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        headers
    }

    fn body(&mut self, splice: Option<&Splice>) -> RequestBody {
        match std::mem::replace(&mut self.outgoing, Outgoing::Away) {
            Outgoing::Empty => {
                self.outgoing = Outgoing::Empty;
                RequestBody::Whole(None)
            }
            Outgoing::Whole(bytes, Some(reserved)) => {
                self.outgoing = Outgoing::Whole(bytes.clone(), Some(reserved));
                whole(bytes, splice)
            }
            Outgoing::Whole(bytes, None) => whole(bytes, splice),
            Outgoing::Held(held) => {
                let (body, home) = held.lend(splice);
                self.home = Some(home);
                RequestBody::Held(Box::new(body))
            }
            Outgoing::Unread(_) | Outgoing::Away => RequestBody::Whole(None),
        }
    }
}

/// Completes the identity; returns where the deployment is named.
fn identified(identity: &mut Identity, seen: Seen, means: Means<'_>) -> Option<ModelField> {
    let Seen { model, asked, kin, found, bytes, .. } = seen;
    identity.stores = asked.stores == Some(true);
    identity.bonds.named.extend(named_in_body(identity.operation, &found));
    if let Some(field) = &model {
        identity.deployment = Some(field.name.as_str().into());
    }
    identity.shape = shape(identity.operation, bytes, asked);
    identity.kin = means.affinity.kin(kin, identity, means.settings);
    model
}

fn whole(bytes: Bytes, splice: Option<&Splice>) -> RequestBody {
    RequestBody::Whole(Some(match splice {
        None => bytes,
        Some(splice) => splice.apply(&[bytes]).concat().into(),
    }))
}

fn splice(field: &ModelField, name: &str) -> Option<Splice> {
    let start = usize::try_from(field.start).ok()?;
    let end = usize::try_from(field.end).ok()?;
    Some(Splice { start, end, text: renamed(field, name) })
}
