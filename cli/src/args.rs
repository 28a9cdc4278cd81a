//! The command line as typed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use triplane_contract::store::OnlineAccess;

use crate::bucket::BucketSettings;
use crate::redis;

/// How a Redis is written.
const REDIS: &str = "HOST:PORT[,user=NAME][,password-file=FILE][,prefix=PREFIX]";

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
  triplane dev my-manifests --redis redis.example:6379,user=writer,password-file=/run/secrets/redis
  triplane dev my-manifests --bucket s3://features --endpoint http://minio.example:9000 --credentials-file /run/secrets/s3
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
    /// Look at the online rows of `triplane dev`
    #[command(
        subcommand,
        after_help = "Example:
  triplane features get --view airport-weather --key origin=JFK"
    )]
    Features(FeaturesCommand),
    /// Ask a service for a prediction
    #[command(after_help = "Examples:
  triplane predict delay --key origin=JFK --key tailnum=N14228 --input hour=18 --null distance
  triplane predict delay -f request.json --explain        # a body of POST /v1/models/delay:predict; - reads standard input
  triplane predict delay --url https://delay.example.org --key origin=JFK -o json

Names and types are those that the service tells (GET /v2/models/SERVICE). Exit code 1: there is no prediction.")]
    Predict(PredictSettings),
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
    /// The bucket
    #[command(flatten)]
    pub bucket: BucketSettings,
    /// Keep online rows in this Redis instead of this process
    #[arg(long, value_name = REDIS, value_parser = redis::parse)]
    pub redis: Option<OnlineAccess>,
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

/// The subcommands of `triplane features`.
#[derive(Debug, Subcommand)]
pub enum FeaturesCommand {
    /// Read the online row of an entity and show its features as a server would serve them now
    #[command(after_help = "Examples:
  triplane features get --view airport-weather --key origin=JFK
  triplane features get --key origin=JFK --key dest=LAX               # every view whose keys are given
  triplane features get --dir my-manifests --view airport-weather --key origin=JFK -o json

Views, types and generations are those of the last `triplane dev` on DIR. Rows are read where it keeps them: in its Redis, or
from the running process. VALUE is what is served after onMissing; STATUS is what was found: PRESENT, NULL_VALUE, NOT_FOUND,
OUTSIDE_MAX_AGE. Exit code 1: nothing could be read.")]
    Get(GetSettings),
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Lines for people
    Table,
    /// One JSON object for programs
    Json,
}

/// What `triplane features get` was told.
#[derive(Debug, Args)]
pub struct GetSettings {
    /// A FeatureView to read; more than one may be named [default: every one whose keys are given]
    #[arg(long = "view", value_name = "VIEW")]
    pub views: Vec<String>,
    /// A key of the entity: text as it is, bytes in base64, times in RFC 3339
    #[arg(long = "key", value_name = "NAME=VALUE", value_parser = pair)]
    pub keys: Vec<(String, String)>,
    /// Namespace of the views [default: any]
    #[arg(long, short)]
    pub namespace: Option<String>,
    /// Folder of the manifests that `triplane dev` runs [default: those of the only session there is]
    #[arg(long, value_hint = ValueHint::DirPath, conflicts_with = "state")]
    pub dir: Option<PathBuf>,
    /// Where that `triplane dev` keeps its state
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Read rows in this Redis [default: where `triplane dev` keeps them]
    #[arg(long, value_name = REDIS, value_parser = redis::parse)]
    pub redis: Option<OnlineAccess>,
    /// Where `triplane dev` answers, for rows in its process [default: as it says in its state]
    #[arg(long, value_hint = ValueHint::Url)]
    pub url: Option<String>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// What `triplane predict` was told.
#[derive(Debug, Args)]
pub struct PredictSettings {
    /// Name of the InferenceService
    pub service: String,
    /// An entity key of the row
    #[arg(long = "key", value_name = "NAME=VALUE", value_parser = pair)]
    pub keys: Vec<(String, String)>,
    /// A request input of the row, or a feature (`view/name`) that the model lets a caller override
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair)]
    pub inputs: Vec<(String, String)>,
    /// A key or input that has no value
    #[arg(long = "null", value_name = "NAME")]
    pub nulls: Vec<String>,
    /// Send this request instead; `-` reads standard input
    #[arg(long, short, value_hint = ValueHint::FilePath, conflicts_with_all = ["keys", "inputs", "nulls"])]
    pub file: Option<PathBuf>,
    /// Where the service answers
    #[arg(long, value_hint = ValueHint::Url, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Show the input vector of the model, with the status of each input
    #[arg(long)]
    pub explain: bool,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// A name and a value; the value may have more signs of equality.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is no NAME=VALUE")),
    }
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
        fn check(command: &clap::Command) {
            for command in command.get_subcommands() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{} has no example", command.get_name());
                check(command);
            }
        }
        Arguments::command().debug_assert();
        check(&Arguments::command());
    }

    #[test]
    fn every_shell_completes_every_command_and_its_flags() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "triplane", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in [
                "dev",
                "lint",
                "features",
                "get",
                "predict",
                "completion",
                "view",
                "null",
                "explain",
            ] {
                assert!(script.contains(word), "{shell} does not complete {word}");
            }
        }
    }

    #[test]
    fn a_value_may_hold_what_separates_it_and_a_name_may_not_be_empty() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        for text in ["a", "=b", ""] {
            assert!(pair(text).unwrap_err().contains("NAME=VALUE"), "{text}");
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
