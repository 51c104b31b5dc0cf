//! A list of what all regions have, where that is wanted: each is asked for its part, one after the other, and the
//! parts are put in order. How, and how pages go on, `nearway_affinity` says.

mod read_whole;
mod room;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_LENGTH;
use nearway_affinity::Named;
use nearway_affinity::home::{Wants, wants};
use nearway_affinity::merge::{Merged, Order, Page, merge};
use nearway_affinity::part::Part;
use nearway_affinity::request::Bond;
use nearway_route::{Ranking, RegionId};
use nearway_upstream::{FaultKind, RegionBody, Reply, Transport};
use nearway_wire::endpoint::{parameter, sibling, with_parameter};
use nearway_wire::error_body::{ERROR_BODY_LIMIT, read_error};
use nearway_wire::id::IdDigest;
use tokio::time::timeout;

use crate::attempt::Original;
use crate::belong::Bonds;
use crate::first_answer::first_answer;
use crate::refuse::{Bound, Tried};
use crate::settle::Settle;
use crate::{Refusal, Settings, Timeouts};

use read_whole::{NotWhole, read_whole};
use room::Room;

/// The most pages, of all regions together, that are read over to find out where a list goes on: ten thousand
/// items, each page a round trip. With more the list fails ([`TOO_FAR`]).
const SKIPPED_MOST: usize = 100;
/// The items of those pages, which every list of the API allows.
const ITEMS_OF_THOSE: &str = "100";

/// Whether this asks for a list that is to be made of those of all regions. With `before`, which no SDK pages
/// by, it is the home region's.
pub(crate) fn is_merged(original: &Original, settings: &Settings) -> bool {
    let identity = &original.identity;
    let wanted = settings.state.merges_lists
        && original.admitted.method == Method::GET
        && identity.pin.is_none()
        && identity.bonds.named.is_empty();
    wanted
        && matches!(wants(identity.operation, &Method::GET), Wants::List | Wants::Catalogue)
        && parameter(identity.target.as_str(), "before").is_none()
        && !is_object(identity.target.as_str(), identity.operation_at)
}

/// Whether the path goes on behind the words of its list (`/models/gpt-4o`).
fn is_object(target: &str, operation_at: usize) -> bool {
    let path = target.get(operation_at..).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let words = if path.starts_with("fine_tuning") || path.starts_with("chat") { 2 } else { 1 };
    path.split('/').count() > words
}

/// The answer to a list of all regions: the list, or what the first region said that has none to give.
///
/// # Errors
/// A region did not answer: what it has would be missing.
pub(crate) async fn merged_list<T: Transport>(
    transport: &T,
    ranking: &Ranking,
    original: &Original,
    settle: &mut Settle,
) -> Result<Box<Reply>, Refusal> {
    let target = original.identity.target.as_str();
    let order = match parameter(target, "order") {
        Some(order) if order == "asc" => Order::Ascending,
        _ => Order::Descending,
    };
    // the name of a model is no id of a region
    let learns = wants(original.identity.operation, &Method::GET) == Wants::List;
    let room = Room::new(settle.shared().replay.clone(), settle.prepared().settings.hold_total);
    let (skipped, reply, lacking) = (0, None, None);
    let mut list =
        List { transport, ranking, original, settle, order, learns, room, skipped, reply, lacking };
    match list.read().await {
        Ok(merged) => list.answer(&merged).ok_or_else(|| Refusal::NoRegion("any".into())),
        Err(Instead::Said(reply)) => Ok(reply),
        Err(Instead::Refused(refusal)) => Err(refusal),
    }
}

/// A cursor is a client's text.
const UNWRITABLE: Refusal = Refusal::Malformed("The list's cursor can't be passed on.");

/// Whoever reads a list from its beginning does not get it: where a page ended is remembered
/// ([`Cursors`](nearway_affinity::cursors::Cursors)).
const TOO_FAR: Refusal = Refusal::Malformed(
    "This gateway has not made the page that ends with this `after`, and would have to read over more than \
     100 pages of other regions to find its place. Read the list again from its beginning, without `after`, or \
     that of one region, with x-nearway-region.",
);

/// Of a page over [`PAGE_MOST`](read_whole::PAGE_MOST).
const TOO_LONG: Refusal = Refusal::Malformed(
    "A region's page of this list is longer than 16 MiB. Ask for fewer items with `limit`.",
);

struct List<'a, T> {
    transport: &'a T,
    ranking: &'a Ranking,
    original: &'a Original,
    settle: &'a mut Settle,
    order: Order,
    /// Whether what a region lists lives there.
    learns: bool,
    /// For the pages that it is made of.
    room: Room,
    /// Pages that were read over.
    skipped: usize,
    /// That of a region that gave its part.
    reply: Option<Box<Reply>>,
    /// That of a region that has no such list.
    lacking: Option<Box<Reply>>,
}

/// What the client gets in place of a list.
enum Instead {
    /// An error of a region, and not that it has no such list.
    Said(Box<Reply>),
    Refused(Refusal),
}

impl From<Refusal> for Instead {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<T: Transport> List<'_, T> {
    async fn read(&mut self) -> Result<Merged, Instead> {
        let prepared = self.settle.prepared().clone();
        let settings = &*prepared.settings;
        let identity = &self.original.identity;
        let places = settings.regions.iter().enumerate();
        let mut regions: Vec<RegionId> = Vec::new();
        for (_, target) in places.filter(|(place, _)| settings.admit(identity, *place)) {
            // one resource may stand in the list more than once
            if !regions.contains(&target.owner) {
                regions.push(target.owner);
            }
        }
        let mut parts = match parameter(identity.target.as_str(), "after") {
            None => vec![Part::default(); regions.len()],
            Some(after) => self.goes_on(&after, &regions).await?,
        };
        let mut pages = Vec::new();
        for (region, part) in regions.iter().zip(&mut parts) {
            pages.push(self.page(*region, part).await?);
        }
        let limit = parameter(identity.target.as_str(), "limit");
        let limit = limit.and_then(|limit| limit.parse().ok());
        let longest = pages.iter().map(|page| page.items.len()).max().unwrap_or_default();
        let mut merged = merge(pages, self.order, limit.unwrap_or(longest));
        if let Some(last) = merged.items.last().filter(|_| merged.has_more) {
            let parts = parts.into_iter().zip(std::mem::take(&mut merged.read_to));
            let left = parts.map(|(part, read_to)| part.left_at(read_to));
            let left = regions.into_iter().zip(left).collect();
            self.settle.shared().cursors.remember(self.key(&last.id), left);
        }
        Ok(merged)
    }

    /// Where each region's part goes on behind an item: as was remembered, else as its time tells.
    async fn goes_on(&mut self, after: &str, regions: &[RegionId]) -> Result<Vec<Part>, Instead> {
        if let Some(read_to) = self.settle.shared().cursors.of(self.key(after)) {
            let part = |region: &RegionId| {
                let known = read_to.iter().find(|(known, _)| known == region);
                Part::listed(known.and_then(|(_, after)| after.clone()))
            };
            return Ok(regions.iter().map(part).collect());
        }
        let identity = &self.original.identity;
        let target = with_parameter(identity.target.as_str(), "after", None);
        let list = target.get(identity.operation_at..).unwrap_or_default();
        let list = list.split('?').next().unwrap_or_default().trim_end_matches('/');
        let target = sibling(&target, list, after).ok_or(UNWRITABLE)?;
        let one = Named {
            id: IdDigest::of(after.as_bytes()),
            shown: after.into(),
            bond: Bond::Told(None),
        };
        let known = self.settle.owner(one.id);
        let mut bonds = Bonds::told(one);
        bonds.near = known;
        let mut reply = self.ask(target, bonds).await?;
        if !reply.response.status().is_success() {
            return Err(Instead::Said(reply));
        }
        let owner = self.settle.question_answered();
        let taken = self.room.taken();
        let body = self.body(&mut reply).await?;
        self.room.let_go_beyond(taken);
        let created = created(&body).ok_or_else(|| self.failed(FaultKind::Malformed))?;
        let owner = regions.iter().position(|region| Some(*region) == owner);
        Ok(Part::all_behind(after, created, owner, regions.len()))
    }

    /// The next page of a region's part of the list. A region that has no such list has nothing.
    async fn page(&mut self, region: RegionId, part: &mut Part) -> Result<Page, Instead> {
        loop {
            let mut target =
                with_parameter(self.original.identity.target.as_str(), "after", part.after());
            if part.skips() {
                target = with_parameter(&target, "limit", Some(ITEMS_OF_THOSE));
            }
            let mut reply = self.ask(target, Bonds::only(region)).await?;
            let status = reply.response.status();
            if !status.is_success() {
                let body = reply.response.body_mut().peek_whole(ERROR_BODY_LIMIT).await;
                let facts = body.map(|body| read_error(&body)).unwrap_or_default();
                if !facts.is_lacking(status.as_u16()) {
                    return Err(Instead::Said(reply));
                }
                self.lacking = Some(reply);
                return Ok(Page::default());
            }
            let taken = self.room.taken();
            let body = self.body(&mut reply).await?;
            let page = Page::read(&body);
            let mut page = page.ok_or_else(|| self.failed(FaultKind::Malformed))?;
            if self.learns {
                self.settle.learn_page(&page, region);
            }
            if part.skip(&mut page, self.order) {
                // its items were copied, and its head is all that is needed
                *reply.response.body_mut() = RegionBody::whole(Bytes::new());
                self.reply = Some(reply);
                return Ok(page);
            }
            self.room.let_go_beyond(taken);
            if self.skipped == SKIPPED_MOST {
                return Err(TOO_FAR.into());
            }
            self.skipped += 1;
        }
    }

    /// All of an answer of the region that was asked last.
    async fn body(&mut self, reply: &mut Reply) -> Result<Bytes, Refusal> {
        let Timeouts { idle, total, .. } = self.settle.prepared().settings.timeouts;
        let left = total.saturating_sub(self.settle.elapsed());
        let whole = read_whole(reply.response.body_mut(), idle, &mut self.room);
        let whole = timeout(left, whole).await;
        let whole = whole.unwrap_or(Err(NotWhole::Failed(FaultKind::TotalTimeout)));
        whole.map_err(|why| match why {
            NotWhole::Failed(kind) => self.failed(kind),
            NotWhole::TooLong => TOO_LONG,
            NotWhole::NoRoom => Refusal::NoRoomForList,
        })
    }

    /// The region that was asked last has not given what the list is made of.
    fn failed(&self, kind: FaultKind) -> Refusal {
        let region = self.settle.region_name().unwrap_or_default();
        let tried = Tried { region, kind, hint: None, goes_on: false, may_have_created: false };
        Bound::Failed("The list".into(), tried).into()
    }

    async fn ask(&mut self, target: String, bonds: Bonds) -> Result<Box<Reply>, Refusal> {
        let question = self.original.reading(target, bonds);
        let mut question = question.ok_or(UNWRITABLE)?;
        let elapsed = self.settle.elapsed();
        let asked = first_answer(self.transport, self.ranking, &mut question, self.settle, elapsed);
        Box::pin(asked).await
    }

    /// The list as an answer, with the head of one that a region gave; where all lack it, that.
    fn answer(mut self, merged: &Merged) -> Option<Box<Reply>> {
        let Some(mut reply) = self.reply.take() else { return self.lacking.take() };
        self.settle.answers_for_all();
        let list = merged.written();
        reply.response.headers_mut().insert(CONTENT_LENGTH, list.len().into());
        *reply.response.body_mut() = RegionBody::whole(self.room.with(list));
        Some(reply)
    }

    /// What stands for the list behind this item, for this client.
    fn key(&self, last: &str) -> u64 {
        let target = with_parameter(self.original.identity.target.as_str(), "after", None);
        let list = with_parameter(&target, "limit", None);
        let of = format!("{:?} {list} {last}", self.original.identity.client);
        let [half, _] = IdDigest::of(of.as_bytes()).halves();
        half
    }
}

/// When an object was made; `None` if it is none.
fn created(object: &[u8]) -> Option<i64> {
    let list = [b"{\"data\":[", object, b"]}"].concat();
    Some(Page::read(&list)?.items.first()?.created)
}
