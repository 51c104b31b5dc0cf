//! The subscriber: text or JSON, filtered, to standard error. Called once by the binary; tests
//! take [`log_subscriber`] with a writer of their own.

use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::REQUEST_TARGET;

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line, the fields at its top level.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter is not one: the binary names the setting that it came from.
    #[error("not a log filter (write for example `info` or `info,nearway=debug`): {0}")]
    Filter(#[from] ParseError),
    /// The process has a subscriber already.
    #[error("a log subscriber is already installed")]
    Installed(#[from] SetGlobalDefaultError),
}

/// Installs the subscriber of the process, on standard error. `filter` is in the syntax of
/// [`EnvFilter`], such as `info`; the environment is not read.
///
/// # Errors
///
/// [`LogsError::Filter`] for a filter that does not parse, [`LogsError::Installed`] the second time.
pub fn install_logs(format: LogFormat, filter: &str) -> Result<(), LogsError> {
    let colours = io::stderr().is_terminal();
    Ok(set_global_default(subscriber(format, filter, colours, io::stderr)?)?)
}

/// The same subscriber on any writer, without colours and not installed.
///
/// # Errors
///
/// [`LogsError::Filter`] for a filter that does not parse.
pub fn log_subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, LogsError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    subscriber(format, filter, false, writer)
}

/// The same filter with the line per request off (`log.requests: false`).
#[must_use]
pub fn without_request_lines(filter: &str) -> String {
    let filter = filter.trim_end_matches([',', ' ']);
    let comma = if filter.is_empty() { "" } else { "," };
    format!("{filter}{comma}{REQUEST_TARGET}=off")
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, LogsError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            lines.with_current_span(false).with_span_list(false).boxed()
        }
    };
    // The filter stands before the layer, for all of it: a silenced call site then costs one load.
    Ok(Registry::default().with(filter).with(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_does_not_parse_is_an_error_that_shows_how() {
        let error = log_subscriber(LogFormat::Text, "nearway=loud", io::sink).err().unwrap();
        assert!(matches!(error, LogsError::Filter(_)));
        assert!(error.to_string().contains("info,nearway=debug"), "{error}");
    }

    #[test]
    fn request_lines_can_be_taken_out_of_any_filter() {
        for (filter, without) in [
            ("info", "info,nearway::request=off"),
            ("info,", "info,nearway::request=off"),
            ("", "nearway::request=off"),
        ] {
            assert_eq!(without_request_lines(filter), without);
            assert!(log_subscriber(LogFormat::Json, without, io::sink).is_ok());
        }
    }
}
