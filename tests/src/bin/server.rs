//! An inference server on a free port.

use std::process::ExitCode;

use triplane_tests::child;

fn main() -> ExitCode {
    child::exit(child::server(std::env::args().skip(1)))
}
