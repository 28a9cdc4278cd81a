//! Bodies of the binaries that suites start: the product's own entry points, with what only tests want around them.

mod materializer;
mod server;
mod training_set;

use std::process::ExitCode;

pub use materializer::materializer;
pub use server::server;
pub use training_set::training_set;

/// Turns a child's end into an exit code, its error on standard error.
pub fn exit(ended: Result<(), String>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
