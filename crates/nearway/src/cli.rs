//! The command line: what each flag means, for `--help` and for the compiler.
//!
//! Parsed once by `main.rs`; `commands.rs` runs what was asked for. Nothing is opened or checked
//! here beyond the form of a value.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A reverse proxy for the OpenAI and Azure OpenAI APIs that sends each request to the region that
/// answers fastest now.
///
/// Point an SDK's base URL at it and change nothing else. Nearway measures every configured region
/// with tiny completions, ranks them by the time to the first token, and forwards each request,
/// byte for byte, to the best one; when that one fails, to the next.
#[derive(Debug, Parser)]
#[command(name = "nearway", version, propagate_version = true, after_help = FIRST_STEPS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One of the things that the binary does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy
    ///
    /// Serves clients on `listen.address` and operators on `admin.address` (/healthz, /readyz,
    /// /metrics, /api/regions, /api/explain, /api/changes). An edited file is noticed within seconds, or at once on SIGHUP: it
    /// is checked whole, and a wrong one changes nothing. SIGTERM and SIGINT stop accepting, let
    /// what is in flight finish within `timeouts.drain`, and exit 0; a second one exits at once.
    /// Log detail is set by the environment variable `NEARWAY_LOG` (such as `debug`).
    Serve(Serve),
    /// Check a configuration file and print what it means
    ///
    /// Prints the configuration in force, every default filled in and every secret masked. If
    /// something is wrong: all problems to stderr, one a line with key, line number and what to
    /// write instead, and exit code 1. Nothing is contacted.
    Check(ConfigFile),
    /// Print the JSON schema of the configuration file
    ///
    /// For editors: with `# yaml-language-server: $schema=FILE` on the first line of the YAML file
    /// they complete keys and underline mistakes.
    Schema,
    /// Measure the configured regions once and show which is nearest
    ///
    /// One round of probes now: `probe.samples` tiny completions per region and deployment. Costs
    /// as many tokens as a round of `serve`. With no `probe.deployments` it measures
    /// reachability, without tokens.
    Probe(Probe),
    /// Ask a running proxy which region a request would get now, and why
    ///
    /// Prints the region, who leads and since when, and for each region what a request costs there and
    /// what that is made of. It asks the admin listener of a running `serve`; nothing is sent to a
    /// region and nothing changes.
    Explain(Explain),
    /// Show it working: no keys, no network
    ///
    /// Three simulated regions whose latency changes every few seconds, the proxy in front of them,
    /// a little traffic, and a live table of which region serves and why. Prints the URLs to paste
    /// into an SDK; any API key will do.
    Demo(Demo),
    /// Run simulated regions
    ///
    /// Each region is a server on a port of its own that speaks the API well enough for the real
    /// SDKs, with its own key, deployments and scripted latency. A control URL changes the world
    /// while it runs. For tests and for trying a configuration without spending tokens.
    Sim(Sim),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file (YAML); start from config.example.yaml
    #[arg(short, long, value_name = "FILE", env = "NEARWAY_CONFIG")]
    pub config: PathBuf,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Write the addresses to FILE as JSON once connections are served
    ///
    /// {"listen":"127.0.0.1:8080","admin":"127.0.0.1:8081"}: with port 0 in the configuration this
    /// is how to learn the ports. The file appears whole or not at all.
    #[arg(long, value_name = "FILE")]
    pub announce: Option<PathBuf>,
}

/// Flags of `probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Print one JSON object a round instead of a table
    #[arg(long)]
    pub json: bool,
    /// Go on, a round every `probe.interval`, until interrupted
    #[arg(long)]
    pub watch: bool,
    /// Print what the probes of `serve` cost a day, and ask nobody
    ///
    /// Tokens and dollars for each deployment, without the probes that `routing.strategy: adaptive`
    /// spares. `probe.prices` corrects and completes the prices.
    #[arg(long, conflicts_with_all = ["watch", "samples"])]
    pub cost: bool,
    /// Completions per region and deployment, instead of `probe.samples`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    pub samples: Option<u32>,
}

/// Flags of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The file that the proxy runs with: its `admin.address` is asked
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "NEARWAY_CONFIG",
        required_unless_present = "admin"
    )]
    pub config: Option<PathBuf>,
    /// Where the proxy's admin listener is, instead of a file
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
    /// The deployment, as clients write it
    #[arg(long, value_name = "NAME")]
    pub deployment: Option<String>,
    /// The client who sends it, by its name in the file; left out, no client's fence is asked
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// How it is sent [default: POST]
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// The path that the request is sent to
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
    pub path: String,
    /// How long the prompt is
    #[arg(long, value_name = "N")]
    pub prompt_tokens: Option<u32>,
    /// The answer comes whole, not as a stream
    #[arg(long)]
    pub no_stream: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// The port for clients on 127.0.0.1; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// End by itself after N seconds instead of on Ctrl-C
    #[arg(long, value_name = "N")]
    pub seconds: Option<NonZeroU32>,
}

/// Flags of `sim`.
#[derive(Debug, Args)]
pub struct Sim {
    /// A script of the world (YAML): regions, keys, deployments, latency, failures
    #[arg(long, value_name = "FILE", conflicts_with = "regions")]
    pub config: Option<PathBuf>,
    /// How many regions, without a script; each next one is a little slower
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=64),
    )]
    pub regions: u16,
    /// The first region's port, the others count up and the control URL has the last one; 0 lets
    /// the system choose
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Serve HTTPS with a certificate made for this run
    #[arg(long)]
    pub tls: bool,
    /// Print one line of JSON once the regions serve, instead of text
    #[arg(long)]
    pub json: bool,
}

const FIRST_STEPS: &str = "\
First steps:
  nearway demo                          see it work, without keys
  nearway check --config nearway.yaml   check what you wrote
  nearway probe --config nearway.yaml   see which region is nearest
  nearway serve --config nearway.yaml   run it
  nearway explain --config nearway.yaml --deployment gpt-4o   ask it where requests go, and why

Exit codes: 0 fine, 1 bad configuration or input, 2 wrong usage.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn refused(arguments: &[&str]) -> ErrorKind {
        Cli::try_parse_from(arguments).expect_err("must be refused").kind()
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_takes_a_file_and_an_announcement() {
        let cli =
            Cli::try_parse_from(["nearway", "serve", "--config", "a.yaml", "--announce", "b"])
                .unwrap();
        let Command::Serve(serve) = cli.command else { panic!("{cli:?}") };
        assert_eq!(serve.file.config, PathBuf::from("a.yaml"));
        assert_eq!(serve.announce, Some(PathBuf::from("b")));
    }

    #[test]
    fn a_sim_needs_nothing_and_has_either_a_script_or_a_number() {
        let cli = Cli::try_parse_from(["nearway", "sim"]).unwrap();
        let Command::Sim(sim) = cli.command else { panic!("{cli:?}") };
        assert_eq!((sim.regions, sim.port, sim.tls, sim.json), (3, 0, false, false));
        assert_eq!(
            refused(&["nearway", "sim", "--config", "w.yaml", "--regions", "2"]),
            ErrorKind::ArgumentConflict
        );
    }

    #[test]
    fn explain_asks_a_file_or_an_address() {
        let asked = ["nearway", "explain", "--admin", "a:1", "--deployment", "x", "--no-stream"];
        let Command::Explain(explain) = Cli::try_parse_from(asked).unwrap().command else {
            panic!("explain")
        };
        assert_eq!(explain.admin.as_deref(), Some("a:1"));
        assert!(explain.no_stream && !explain.json && explain.prompt_tokens.is_none());
        assert_eq!(refused(&["nearway", "explain"]), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn wrong_usage_is_refused_by_the_parser() {
        assert_eq!(refused(&["nearway", "fly"]), ErrorKind::InvalidSubcommand);
        assert_eq!(refused(&["nearway", "sim", "--regions", "0"]), ErrorKind::ValueValidation);
        assert_eq!(refused(&["nearway", "demo", "--seconds", "0"]), ErrorKind::ValueValidation);
        assert_eq!(refused(&["nearway", "demo", "--port", "70000"]), ErrorKind::ValueValidation);
        assert_eq!(
            refused(&["nearway", "probe", "--config", "c", "--samples", "21"]),
            ErrorKind::ValueValidation
        );
        assert_eq!(refused(&["nearway", "check", "--confg", "c"]), ErrorKind::UnknownArgument);
    }

    #[test]
    fn a_cost_is_no_round() {
        let with = |flag| refused(&["nearway", "probe", "--config", "c", "--cost", flag]);
        assert_eq!(with("--watch"), ErrorKind::ArgumentConflict);
        assert_eq!(with("--samples=2"), ErrorKind::ArgumentConflict);
    }

    #[test]
    fn help_and_version_are_there_for_every_command() {
        for name in ["serve", "check", "schema", "probe", "explain", "demo", "sim"] {
            assert_eq!(refused(&["nearway", name, "--help"]), ErrorKind::DisplayHelp, "{name}");
            assert_eq!(refused(&["nearway", name, "--version"]), ErrorKind::DisplayVersion);
        }
    }
}
