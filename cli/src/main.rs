//! `triplane`: the same manifests on one machine, checked before they reach a cluster.

mod args;
mod dev;
mod lint;
mod manifest;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::start(arguments.verbose);
    match arguments.command {
        Command::Lint(files) => lint::run(&files),
        Command::Dev(settings) => dev::run(&settings),
        Command::Completion { shell } => args::print_completion(shell),
    }
}
