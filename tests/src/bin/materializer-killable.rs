//! A run of the materializer that dies where it is told to.

use std::process::ExitCode;

use triplane_tests::child;

fn main() -> ExitCode {
    child::exit(child::materializer(std::env::args().skip(1)))
}
