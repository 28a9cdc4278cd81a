//! The command line as typed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

/// Features, training and serving declared in a few YAML objects.
#[derive(Debug, Parser)]
#[command(name = "triplane", version, arg_required_else_help = true, max_term_width = 110)]
pub struct Arguments {
    /// Log what happens inside (`RUST_LOG` gives finer control)
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the manifests of a folder on this machine: store, materialization, training sets, models, serving
    #[command(after_help = "Examples:
  triplane dev examples/flights --bucket ./bucket
  triplane dev my-manifests --redis 127.0.0.1:6379        # rows in a local Redis instead of this process
  triplane dev my-manifests --as-of 2026-01-05T12:00:00Z  # the clock stands still, for tests
  triplane dev my-manifests --once                        # end after the first prediction; exit code 0 iff all is Ready

The folder is watched: save a file and see what changes. Ctrl-C ends everything; the next start resumes.")]
    Dev(DevSettings),
    /// Check manifests offline with the CRDs' own rules
    #[command(after_help = "Examples:
  triplane lint examples/flights
  triplane lint views.yaml service.yaml

Exit code 0: all valid; 1: a manifest is not; 2: a file could not be read.")]
    Lint(LintSettings),
    /// Print a completion script for a shell
    #[command(after_help = "Example:
  source <(triplane completion bash)")]
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// What `triplane lint` was told.
#[derive(Debug, Args)]
pub struct LintSettings {
    /// YAML files, or folders of them
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// What `triplane dev` was told.
#[derive(Debug, Args)]
pub struct DevSettings {
    /// Folder of manifests (every *.yaml and *.yml in it)
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Folder that stands for the bucket [default: `bucket` in the state folder]
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub bucket: Option<PathBuf>,
    /// Keep online rows in this Redis (host:port) instead of this process
    #[arg(long, value_name = "HOST:PORT")]
    pub redis: Option<String>,
    /// Fix the clock at this moment (RFC 3339); rows that are in the Redis already are published anew
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<jiff::Timestamp>,
    /// Port of the prediction services and of /admin/objects, on 127.0.0.1
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// End after the first answered prediction; exit code 0 only if every object is Ready
    #[arg(long)]
    pub once: bool,
    /// Where state is kept [default: `$XDG_STATE_HOME/triplane/<folder name>`]
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
}

/// Writes the completion script of `shell` to standard output.
pub fn print_completion(shell: Shell) -> ExitCode {
    clap_complete::generate(shell, &mut Arguments::command(), "triplane", &mut std::io::stdout());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_shows_an_example() {
        Arguments::command().debug_assert();
        for command in Arguments::command().get_subcommands() {
            assert!(
                command.get_after_help().is_some(),
                "{} has no example",
                command.get_name()
            );
        }
    }

    #[test]
    fn a_bad_time_is_refused_with_the_flag_named() {
        let error = Arguments::try_parse_from(["triplane", "dev", "x", "--as-of", "yesterday"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("--as-of"), "{error}");
    }
}
