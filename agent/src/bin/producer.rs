//! The producer agent: see `producer --help`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    agent::command::producer::main()
}
