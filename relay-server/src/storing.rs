//! Storing: from records to a promise. Once this says yes, they are where `spool.durability` wants them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use relay_spool::{Appended, NewRecord, SpoolError};
use tokio::sync::{Notify, oneshot};

use crate::forward;
use crate::ledger::Loss;
use crate::queue::Closed;
use crate::record::Record;
use crate::rejection::QueueError;
use crate::relay::{Phase, Relay, Worker};
use crate::target::Target;

/// A record for one target, ready to be stored.
pub(crate) struct Prepared {
    pub(crate) target: Arc<Target>,
    pub(crate) record: Box<Record>,
    pub(crate) event_id: Option<String>,
}

/// Stores the records, in the spool if there is one, and has them forwarded. Fails if none of them was stored; of those
/// that were not the ledger knows in any case, whatever becomes of the request.
pub(crate) async fn store(
    worker: &Arc<Worker>,
    mut records: Vec<Prepared>,
) -> Result<(), QueueError> {
    let stored = match &worker.relay.spool {
        Some(spool) => {
            let relay = Arc::clone(&worker.relay);
            let news = Arc::clone(&worker.news);
            let new = records.iter_mut().filter_map(to_spool).collect();
            let (tell, told) = oneshot::channel();
            spool.append(new, move |appended| {
                let stored = enqueue(&relay, records, appended);
                news.bring(tell, (stored, Unheard(Some(relay))));
            });
            match told.await {
                Ok((stored, unheard)) => {
                    unheard.heard();
                    stored
                }
                Err(_) => Err(QueueError::Closed),
            }
        }
        None => push(&worker.relay, records),
    };
    forward::kick(worker);
    stored
}

type Stored = (Result<(), QueueError>, Unheard);

/// What the thread of the spool has for the tasks of one worker. To wake a thread costs more than anything else that is
/// told this way, so that one wake serves all that was stored with one commit.
#[derive(Debug, Default)]
pub(crate) struct News {
    unread: Mutex<Vec<(oneshot::Sender<Stored>, Stored)>>,
    arrived: Notify,
}

impl News {
    fn bring(&self, tell: oneshot::Sender<Stored>, stored: Stored) {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = unread.is_empty();
        unread.push((tell, stored));
        drop(unread);
        if is_first {
            self.arrived.notify_one();
        }
    }

    /// Hands out what arrives, on the worker's own thread, as long as that runs.
    pub(crate) async fn hand_out(&self) -> Infallible {
        loop {
            self.arrived.notified().await;
            let unread =
                std::mem::take(&mut *self.unread.lock().unwrap_or_else(PoisonError::into_inner));
            for (tell, stored) in unread {
                // If nobody hears of it, dropping what was said does what is left to do.
                let _ = tell.send(stored);
            }
        }
    }
}

/// That something was stored, on its way to the task that will look after it. Where the client has gone, and that task
/// with it, others are called.
#[derive(Debug)]
struct Unheard(Option<Arc<Relay>>);

impl Unheard {
    fn heard(mut self) {
        self.0 = None;
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        if let Some(relay) = &self.0 {
            relay.upstreams().iter().for_each(|upstream| upstream.queue.look_after());
        }
    }
}

/// What the spool is given of a record; its event id goes there.
pub(crate) fn to_spool(prepared: &mut Prepared) -> Option<NewRecord> {
    let Prepared { target, record, event_id } = prepared;
    // Both are always there: the one with the spool, the other with a record that was just made.
    let (target, body) = (target.id?, record.body.as_ref()?);
    Some(NewRecord { meta: record.meta(target, event_id.take()), body: body.bytes.clone() })
}

/// Puts what was stored into its queues; runs on the thread of the spool, in the order of the commits.
fn enqueue(
    relay: &Relay,
    records: Vec<Prepared>,
    appended: Result<Appended, SpoolError>,
) -> Result<(), QueueError> {
    let (appended, failure) = match appended {
        Ok(appended) => (appended, (Loss::QueueFull, QueueError::Full)),
        Err(SpoolError::Closed) if relay.phase() != Phase::Running => {
            (Appended::default(), (Loss::Shutdown, QueueError::Closed))
        }
        Err(_) => (Appended::default(), (Loss::SpoolFailed, QueueError::Spool)),
    };
    relay.given_up(&appended.dropped, &Loss::SpoolFull);
    let (loss, error) = failure;
    let ids = appended.stored.into_iter().chain(std::iter::repeat(None));
    let mut stored = Err(error);
    for (Prepared { target, mut record, .. }, id) in records.into_iter().zip(ids) {
        match id {
            Some(id) => {
                record.id = id;
                relay.upstream(&target).queue.stored(record);
                stored = Ok(());
            }
            None => {
                if stored == Err(QueueError::Full) && !could_ever_fit(relay, &record) {
                    stored = Err(QueueError::TooLarge);
                }
                let recipient = target.recipient(record.key, record.project);
                relay.ledger.discard(Some(recipient), &record.items, &loss);
            }
        }
    }
    stored
}

/// Whether there would be room for the record if nothing else were there.
fn could_ever_fit(relay: &Relay, record: &Record) -> bool {
    let share = relay.spool.as_ref().map(|spool| spool.status().share);
    share.is_none_or(|share| record.stored_size as u64 <= share)
}

fn push(relay: &Relay, records: Vec<Prepared>) -> Result<(), QueueError> {
    let mut pushed = Err(QueueError::Closed);
    for Prepared { target, record, .. } in records {
        match relay.upstream(&target).queue.push(record) {
            Ok(()) => pushed = Ok(()),
            Err(Closed(record)) => {
                let recipient = target.recipient(record.key, record.project);
                relay.ledger.discard(Some(recipient), &record.items, &Loss::Shutdown);
            }
        }
    }
    pushed
}
