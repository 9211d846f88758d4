//! The consumer agent: see `consumer --help`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    agent::command::consumer::main()
}
