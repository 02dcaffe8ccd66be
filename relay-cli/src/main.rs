//! The `relay` binary: flags, files and terminal around `relay-server`. See the README.
#![forbid(unsafe_code)]

mod age;
mod allocator;
mod args;
mod banner;
mod byte_size;
mod completions;
mod config_command;
mod event;
mod failure;
mod healthcheck;
mod keys;
mod load;
mod logging;
mod printable;
mod progress;
mod raw_config;
mod run;
mod send;
mod settings;
mod signals;
mod spool_command;
mod table;
mod value;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    match command(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if standard error is closed.
            let _ = write!(std::io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn command(Arguments { global, command }: Arguments) -> Result<(), Failure> {
    match command {
        Command::Run(args) => {
            allocator::bound();
            run::run(&args.overrides(&global))
        }
        Command::Config(command) => config_command::config(&command, &global),
        Command::Send(args) => send::send(&args),
        Command::Healthcheck(args) => healthcheck::healthcheck(&args, &global.overrides()),
        Command::Spool(args) => spool_command::spool(&args, &global),
        Command::Completions { format } => completions::completions(format),
    }
}
