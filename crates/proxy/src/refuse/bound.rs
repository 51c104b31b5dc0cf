//! Refusals of requests that belong to one region: what they name, and why its region can't answer.

use std::sync::Arc;

use http::StatusCode;

use super::{Tried, list};

/// Why a request that belongs to a region got no answer of it.
#[derive(Debug, thiserror::Error)]
pub enum Bound {
    /// Its objects live in several regions. One of each, with its region's name.
    #[error("A request can use objects of one region only: {}.", each(.0))]
    Conflict(Vec<(Box<str>, Arc<str>)>),
    /// The object lives where the client or the deployment may not go.
    #[error("{0} lives in a region that this request may not go to.")]
    NotAllowed(Box<str>),
    /// The object's region does not have the deployment.
    #[error("{0} lives in region {1}, which has no deployment {2:?}.")]
    Lacking(Box<str>, Arc<str>, Box<str>),
    /// The object's region is known to be out.
    #[error("{0} lives in region {1}, which is out; no other has it.")]
    Out(Box<str>, Arc<str>),
    /// The object's region was asked and gave no answer.
    #[error("{0} lives in region {region}, which did not answer: {kind}. No other has it.", region = .1.region, kind = .1.kind)]
    Failed(Box<str>, Tried),
    /// No region that answered knows the object, and some did not answer.
    #[error("No region that answers knows {0}, and not all do{tried}.", tried = those(.1))]
    Unfound(Box<str>, Vec<Tried>),
}

/// Those that were asked; others could not be.
fn those(tried: &[Tried]) -> String {
    if tried.is_empty() { String::new() } else { format!(": {}", list(tried)) }
}

fn each(owners: &[(Box<str>, Arc<str>)]) -> String {
    let each = owners.iter().map(|(id, region)| format!("{id} lives in {region}"));
    each.collect::<Vec<_>>().join(", ")
}

impl Bound {
    /// Every code, for metrics that exist from the start.
    pub(crate) const CODES: [&'static str; 6] = [
        "nearway_owner_conflict",
        "nearway_owner_not_allowed",
        "nearway_owner_lacks_deployment",
        "nearway_owner_out",
        "nearway_owner_unreachable",
        "nearway_owner_unknown",
    ];

    pub(super) const fn code(&self) -> &'static str {
        let [conflict, not_allowed, lacking, out, failed, unfound] = Self::CODES;
        match self {
            Self::Conflict(_) => conflict,
            Self::NotAllowed(_) => not_allowed,
            Self::Lacking(..) => lacking,
            Self::Out(..) => out,
            Self::Failed(..) => failed,
            Self::Unfound(..) => unfound,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::NotAllowed(_) => StatusCode::FORBIDDEN,
            Self::Lacking(..) => StatusCode::BAD_REQUEST,
            Self::Out(..) | Self::Unfound(..) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_, tried) if tried.kind.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Self::Failed(..) => StatusCode::BAD_GATEWAY,
        }
    }

    /// Whether the same request would be refused again, or had better not come again.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Conflict(_) | Self::NotAllowed(_) | Self::Lacking(..) => true,
            Self::Out(..) | Self::Unfound(..) => false,
            Self::Failed(_, tried) => tried.may_have_created,
        }
    }
}

#[cfg(test)]
mod tests {
    use nearway_upstream::FaultKind;

    use super::*;

    fn tried(kind: FaultKind) -> Tried {
        let region = "westus".into();
        Tried { region, kind, hint: None, goes_on: false, may_have_created: false }
    }

    #[test]
    fn each_says_what_lives_where_and_what_follows() {
        let conflict = vec![("file-1".into(), "eastus".into()), ("vs_2".into(), "westus".into())];
        for (bound, status, is_final, text) in [
            (
                Bound::Conflict(conflict),
                409,
                true,
                "A request can use objects of one region only: file-1 lives in eastus, vs_2 lives in westus.",
            ),
            (
                Bound::NotAllowed("file-1".into()),
                403,
                true,
                "file-1 lives in a region that this request may not go to.",
            ),
            (
                Bound::Lacking("resp_1".into(), "eastus".into(), "o3".into()),
                400,
                true,
                "resp_1 lives in region eastus, which has no deployment \"o3\".",
            ),
            (
                Bound::Out("resp_1".into(), "eastus".into()),
                503,
                false,
                "resp_1 lives in region eastus, which is out; no other has it.",
            ),
            (
                Bound::Failed("resp_1".into(), tried(FaultKind::Connect)),
                502,
                false,
                "resp_1 lives in region westus, which did not answer: connect. No other has it.",
            ),
            (
                Bound::Unfound("resp_1".into(), vec![tried(FaultKind::HeadTimeout)]),
                503,
                false,
                "No region that answers knows resp_1, and not all do: westus (head_timeout).",
            ),
        ] {
            assert_eq!(bound.to_string(), text);
            assert_eq!((bound.status().as_u16(), bound.is_final()), (status, is_final), "{text}");
        }
        let late = Bound::Failed("r".into(), tried(FaultKind::HeadTimeout));
        assert_eq!(late.status().as_u16(), 504);
    }
}
