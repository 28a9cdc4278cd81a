//! `triplane`: the same manifests on one machine, checked before they reach a cluster.

mod args;
mod ask;
mod bucket;
mod dev;
mod features;
mod lint;
mod manifest;
mod predict;
mod redis;
mod telemetry;
mod text;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command, FeaturesCommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::start(arguments.verbose);
    match arguments.command {
        Command::Lint(files) => lint::run(&files),
        Command::Dev(settings) => dev::run(&settings),
        Command::Features(FeaturesCommand::Get(settings)) => features::run(&settings),
        Command::Predict(settings) => predict::run(&settings),
        Command::Completion { shell } => args::print_completion(shell),
    }
}
