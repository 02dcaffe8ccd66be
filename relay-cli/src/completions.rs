//! `relay completions`

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::failure::Failure;

/// Writes the completions for `shell`, or else for the shell of `$SHELL`, to standard output.
pub(crate) fn completions(shell: Option<Shell>) -> Result<(), Failure> {
    let fallback = if cfg!(windows) { Shell::PowerShell } else { Shell::Bash };
    let shell = shell.or_else(Shell::from_env).unwrap_or(fallback);
    // Into memory first: the generator panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "relay", &mut script);
    Ok(std::io::Write::write_all(&mut std::io::stdout(), &script)?)
}
