//! The binary as a user meets it: processes, files, pipes and sockets.

mod command_line;
mod config;
mod disk;
mod run;
mod send;
mod spool;
mod support;
