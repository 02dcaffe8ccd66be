//! Upkeep: what needs to be done now and then, whether or not anything arrives.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use relay_spool::{SpoolError, Status};
use tokio::sync::oneshot;

use crate::ledger::Loss;
use crate::relay::Relay;

/// What is too old is looked for this often.
const EXPIRED_EVERY: Duration = Duration::from_secs(60);

/// The state of the spool is looked at this often.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// What goes on for long is told this often.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Records given up in one transaction.
const PIECE: usize = 1000;

/// Does it as long as the relay runs.
pub(crate) async fn run(relay: &Arc<Relay>) -> Infallible {
    let mut told = Told::default();
    let mut expired_at = None::<tokio::time::Instant>;
    let mut every = tokio::time::interval(LOOKED_AT_EVERY);
    loop {
        every.tick().await;
        if let Some(spool) = &relay.spool {
            told.tell(&spool.status());
            told.tell_of_room(relay.ledger.made_room());
        }
        if expired_at.is_none_or(|at| at.elapsed() >= EXPIRED_EVERY) {
            expired_at = Some(tokio::time::Instant::now());
            expire(relay).await;
        }
    }
}

/// Gives up what has waited for longer than `spool.max_age`.
async fn expire(relay: &Arc<Relay>) {
    let Some(before) = SystemTime::now().checked_sub(relay.config.spool.max_age) else { return };
    let Some(spool) = &relay.spool else {
        return relay.upstreams().iter().for_each(|upstream| upstream.queue.expire(before));
    };
    let mut items = 0;
    loop {
        let (tell, told) = oneshot::channel();
        let accountant = Arc::clone(relay);
        spool.expire(before, PIECE, move |dropped| {
            // On the thread of the spool: what it gives up must not have come back meanwhile.
            let dropped = dropped.unwrap_or_default();
            accountant.given_up(&dropped, &Loss::Expired);
            let items: u64 = dropped.iter().map(|dropped| u64::from(dropped.item_count)).sum();
            let _ = tell.send((dropped.len(), items));
        });
        let (records, of_piece) = told.await.unwrap_or_default();
        items += of_piece;
        if records < PIECE {
            break;
        }
    }
    if items > 0 {
        tracing::warn!(items, "discarded what had waited for longer than spool.max_age");
    }
}

/// What the log has been told of the spool.
#[derive(Default)]
struct Told {
    fault: bool,
    set_aside: usize,
    made_room: u64,
    made_room_at: Option<tokio::time::Instant>,
}

impl Told {
    /// That the oldest are given up, as soon as that begins, and then how many more now and then.
    fn tell_of_room(&mut self, made: u64) {
        let is_soon = self.made_room_at.is_some_and(|at| at.elapsed() < TOLD_AGAIN);
        if made == self.made_room || is_soon {
            return;
        }
        let items = made - self.made_room;
        tracing::warn!(items, "the spool is full, discarded the oldest to make room");
        self.made_room = made;
        self.made_room_at = Some(tokio::time::Instant::now());
    }

    fn tell(&mut self, status: &Status) {
        match (&status.fault, self.fault) {
            (Some(fault), false) => {
                tracing::error!(error = %SpoolError::from(fault.clone()), "the spool fails, what cannot be stored is refused");
            }
            (None, true) => tracing::info!("the spool works again"),
            _ => {}
        }
        self.fault = status.fault.is_some();
        for file in status.set_aside.iter().skip(self.set_aside) {
            tracing::error!(
                file = %file.display(),
                lost_items = %match status.is_loss_unknown {
                    true => "unknown".to_owned(),
                    false => status.lost_items.to_string(),
                },
                waiting = status.total().records,
                "the spool file was damaged or could not be read: it is put aside, and what could be read of it goes on in a \
                 new one"
            );
        }
        self.set_aside = status.set_aside.len();
    }
}
