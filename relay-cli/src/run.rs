//! `relay run`

use relay_server::StartError;
use relay_spool::{FaultKind, OpenError};

use crate::banner::Banner;
use crate::failure::Failure;
use crate::load::{Overrides, load};
use crate::logging;
use crate::signals::Signals;

/// Serves until a signal comes.
pub(crate) fn run(overrides: &Overrides) -> Result<(), Failure> {
    let loaded = load(overrides)?;
    logging::init(&loaded.settings.logging);
    match &loaded.folder {
        Some(folder) => tracing::info!("launching relay from config folder {}", folder.display()),
        None => tracing::info!("launching relay without config folder"),
    }
    tracing::info!("  relay mode: {}, because {}", loaded.settings.mode, loaded.mode_reason);
    tracing::info!("  log level: {}", loaded.settings.logging.level);
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));

    let config = loaded.server_config()?;
    // First, so that a signal during the start is not lost.
    let signals = Signals::listen()?;
    let relay = relay_server::start(config.clone()).map_err(explained)?;
    signals.stop(relay.stopper())?;
    Banner { address: relay.local_addr(), config: &config, mode_reason: &loaded.mode_reason }
        .print();

    let stats = relay.wait();
    tracing::info!(
        recovered = stats.recovered,
        received = stats.received,
        made = stats.made,
        delivered = stats.delivered,
        discarded = stats.discarded_total(),
        waiting = stats.waiting,
        "relay shutdown complete"
    );
    Ok(())
}

/// A failure to start, with what could be done about it.
fn explained(error: StartError) -> Failure {
    let is_about_the_folder = match &error {
        StartError::Spool(OpenError::Folder { .. }) => true,
        StartError::Spool(OpenError::File { source, .. }) => source.kind() == FaultKind::ReadOnly,
        _ => false,
    };
    let failure = Failure::from(error);
    if is_about_the_folder {
        return failure.caused_by(
            "set spool.path to a folder that can be written, or spool.durability to memory to do without",
        );
    }
    failure
}
