//! The log: one format for the process, one event a request, a sentence for what an operator
//! should notice.
//!
//! Everything goes to standard error. No function here takes a body, a credential or a query
//! string, and text from a client is only ever a field (escaped by the formatter), never part of
//! a sentence. The binary installs the subscriber; the proxy and the tasks call the functions.

mod events;
mod install;
mod request;

pub use events::{
    BreakerOpened, Failover, LeaderChange, Reload, breaker_closed, breaker_opened,
    breaker_returning, credential_refused, failover, leader_change, reload_applied,
    reload_rejected,
};
pub use install::{LogFormat, LogsError, install_logs, log_subscriber, without_request_lines};
pub use request::{REQUEST_TARGET, RequestLine, request_line, request_lines_enabled};
