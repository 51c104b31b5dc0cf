//! What to do after an attempt. Pure: the whole failover law is in [`next_step`].
//!
//! The law is API fact sheet 4.3. Nothing is retried once a byte of the answer went to the client;
//! this is asked before that.

use nearway_route::Failure;
use nearway_upstream::{Fault, FaultKind, Sent, Side};

/// The step after an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The same region on a fresh connection: the old one died before it answered.
    SameRegion,
    /// The next region of the plan.
    NextRegion,
    /// The client gets what there is.
    GiveUp,
}

/// What is known of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// A second try could leave a second object behind.
    pub(crate) creates_state: bool,
    /// The credential that the region saw is Nearway's, not the client's.
    pub(crate) own_credential: bool,
    /// This region was already given a fresh connection.
    pub(crate) freshened: bool,
}

/// Decides from the fault and the facts alone; bounds on attempts and bodies are the caller's.
pub(crate) fn next_step(fault: &Fault, facts: Facts) -> Step {
    let untouched = fault.sent == Sent::Nothing;
    let safe = untouched || !facts.creates_state;
    match fault.kind {
        FaultKind::ClientBody | FaultKind::Rejected | FaultKind::TotalTimeout => Step::GiveUp,
        // refused before anything was done, whatever the request
        FaultKind::Throttled => Step::NextRegion,
        FaultKind::Unauthorized if facts.own_credential => Step::NextRegion,
        FaultKind::Unauthorized => Step::GiveUp,
        FaultKind::MissingDeployment | FaultKind::ContextLength => Step::NextRegion,
        // it said so before it did anything
        FaultKind::UnknownObject => Step::NextRegion,
        // another region may have a connection open
        FaultKind::Local => Step::NextRegion,
        FaultKind::Reset if fault.reused && safe && !facts.freshened => Step::SameRegion,
        FaultKind::Dns
        | FaultKind::Connect
        | FaultKind::ConnectTimeout
        | FaultKind::Tls
        | FaultKind::TlsTimeout
        | FaultKind::WriteTimeout
        | FaultKind::Reset
        | FaultKind::Malformed
        | FaultKind::HeadTimeout
        | FaultKind::FirstTokenTimeout
        | FaultKind::IdleTimeout
        | FaultKind::Truncated
        | FaultKind::ServerError => {
            if safe {
                Step::NextRegion
            } else {
                Step::GiveUp
            }
        }
    }
}

/// Whom the fault is held against. A region that refuses the client's own credential did nothing
/// wrong (DESIGN "Units of truth").
pub(crate) fn blamed(fault: &Fault, facts: Facts) -> Side {
    match fault.kind {
        FaultKind::Unauthorized if !facts.own_credential => Side::Client,
        kind => kind.side(),
    }
}

/// Whether the same region may do better in a moment: not with the same certificate, key or list of
/// deployments; and whoever is throttled is told when to come back rather than kept waiting.
pub(crate) fn may_pass(kind: FaultKind) -> bool {
    !matches!(
        kind,
        FaultKind::Tls
            | FaultKind::Unauthorized
            | FaultKind::MissingDeployment
            | FaultKind::ContextLength
            | FaultKind::UnknownObject
            | FaultKind::Throttled
    )
}

/// What a fault teaches about where it came from, besides any hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// Nothing.
    None,
    /// The quota is used up.
    Throttled,
    /// Nearway's credential is refused, if it was Nearway's.
    Unauthorized,
    /// The deployment or the operation is not there.
    Lacking,
    /// It does not work.
    Failing(Failure),
}

/// What to learn from a fault that is somebody's.
pub(crate) fn lesson(kind: FaultKind) -> Lesson {
    match kind {
        FaultKind::ClientBody
        | FaultKind::ContextLength
        | FaultKind::UnknownObject
        | FaultKind::Rejected
        | FaultKind::TotalTimeout
        | FaultKind::Local => Lesson::None,
        FaultKind::Throttled => Lesson::Throttled,
        FaultKind::Unauthorized => Lesson::Unauthorized,
        FaultKind::MissingDeployment => Lesson::Lacking,
        FaultKind::Dns
        | FaultKind::Connect
        | FaultKind::ConnectTimeout
        | FaultKind::Tls
        | FaultKind::TlsTimeout => Lesson::Failing(Failure::Unreachable),
        FaultKind::Reset
        | FaultKind::Malformed
        | FaultKind::WriteTimeout
        | FaultKind::HeadTimeout
        | FaultKind::FirstTokenTimeout
        | FaultKind::IdleTimeout
        | FaultKind::Truncated
        | FaultKind::ServerError => Lesson::Failing(Failure::Fault),
    }
}

#[cfg(test)]
mod tests {
    use nearway_upstream::Returned;

    use super::*;

    const PLAIN: Facts = Facts { creates_state: false, own_credential: true, freshened: false };
    const STATEFUL: Facts = Facts { creates_state: true, ..PLAIN };

    fn fault(kind: FaultKind, sent: Sent, reused: bool) -> Fault {
        let returned = Returned::Nothing;
        Fault { kind, sent, returned, reused, detail: String::new() }
    }

    #[test]
    fn the_law() {
        use FaultKind::{
            ClientBody, Connect, ContextLength, Local, Rejected, Reset, ServerError, Throttled,
            Unauthorized, UnknownObject,
        };
        use Sent::{All, Nothing, Part};
        use Step::{GiveUp, NextRegion, SameRegion};
        let fresh = Facts { freshened: true, ..PLAIN };
        let passed = Facts { own_credential: false, ..PLAIN };
        let cases = [
            (Connect, Nothing, false, PLAIN, NextRegion),
            (Connect, Nothing, false, STATEFUL, NextRegion),
            (Local, Nothing, false, STATEFUL, NextRegion),
            (Reset, Part, true, PLAIN, SameRegion),
            (Reset, All, true, PLAIN, SameRegion),
            (Reset, All, true, fresh, NextRegion),
            (Reset, All, false, PLAIN, NextRegion),
            (Reset, Part, true, STATEFUL, GiveUp),
            (Reset, All, true, STATEFUL, GiveUp),
            (Reset, Nothing, true, STATEFUL, SameRegion),
            (ServerError, All, false, PLAIN, NextRegion),
            (ServerError, All, false, STATEFUL, GiveUp),
            (Throttled, All, false, STATEFUL, NextRegion),
            (Unauthorized, All, false, PLAIN, NextRegion),
            (Unauthorized, All, false, passed, GiveUp),
            (ContextLength, All, false, STATEFUL, NextRegion),
            (UnknownObject, All, false, STATEFUL, NextRegion),
            (Rejected, All, false, PLAIN, GiveUp),
            (ClientBody, All, false, PLAIN, GiveUp),
        ];
        for (kind, sent, reused, facts, step) in cases {
            assert_eq!(
                next_step(&fault(kind, sent, reused), facts),
                step,
                "{kind} {sent:?} {reused} {facts:?}"
            );
        }
    }

    #[test]
    fn a_refused_credential_is_held_against_whoever_owns_it() {
        let refused = fault(FaultKind::Unauthorized, Sent::All, false);
        assert_eq!(blamed(&refused, PLAIN), Side::Region);
        assert_eq!(blamed(&refused, Facts { own_credential: false, ..PLAIN }), Side::Client);
    }

    #[test]
    fn what_nobody_did_teaches_nothing_and_all_else_something() {
        for kind in [
            FaultKind::Dns,
            FaultKind::Connect,
            FaultKind::ConnectTimeout,
            FaultKind::Tls,
            FaultKind::TlsTimeout,
            FaultKind::WriteTimeout,
            FaultKind::Reset,
            FaultKind::Malformed,
            FaultKind::HeadTimeout,
            FaultKind::FirstTokenTimeout,
            FaultKind::IdleTimeout,
            FaultKind::Truncated,
            FaultKind::Unauthorized,
            FaultKind::MissingDeployment,
            FaultKind::Throttled,
            FaultKind::ServerError,
        ] {
            assert_ne!(lesson(kind), Lesson::None, "{kind}");
        }
        for kind in [
            FaultKind::ClientBody,
            FaultKind::ContextLength,
            FaultKind::UnknownObject,
            FaultKind::Rejected,
            FaultKind::TotalTimeout,
            FaultKind::Local,
        ] {
            assert_eq!(lesson(kind), Lesson::None, "{kind}");
            assert!(!matches!(kind.side(), Side::Region | Side::Deployment), "{kind}");
        }
    }
}
