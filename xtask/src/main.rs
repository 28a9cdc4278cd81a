//! `cargo xtask`: generated files and house checks.

mod budgets;
mod generate;
mod hygiene;
mod repository;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Generated files and house checks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes what is generated from the API types: definitions and reference pages.
    Generate {
        /// Changes nothing; fails and names the files that differ.
        #[arg(long)]
        check: bool,
    },
    /// Fails where a source file is too long, or a file names the machine of its author.
    Budgets,
}

fn main() -> ExitCode {
    let outcome = repository::Repository::find().and_then(|repository| match Arguments::parse().task {
        Task::Generate { check: true } => generate::check(&repository),
        Task::Generate { check: false } => generate::write(&repository),
        Task::Budgets => Ok([budgets::check(&repository)?, hygiene::check(&repository)?].concat()),
    });
    let findings = outcome.unwrap_or_else(|error| vec![error.to_string()]);
    for finding in &findings {
        // Nowhere left to complain when stderr is gone; the exit code still says it.
        let _ = writeln!(stderr(), "{finding}");
    }
    if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
