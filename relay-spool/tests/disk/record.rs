//! Records that can be told from their number: whoever reads one back knows all of it.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use relay_spool::{Meta, NewRecord, Stored, TargetId};

use crate::random::Random;

/// Those that records go to.
pub(crate) const TARGETS: [&str; 3] = ["first", "second", "third"];

/// The largest bodies there are.
pub(crate) const LARGEST: usize = 300 * 1024;

/// A time that does not depend on when the test runs.
pub(crate) fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// How long bodies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sizes {
    Small,
    Mixed,
    Large,
}

/// Which of [`TARGETS`] the record `number` goes to.
pub(crate) fn target_of(number: u64) -> usize {
    Random::new(number).below(TARGETS.len())
}

/// The record `number`.
pub(crate) fn record(number: u64, sizes: Sizes, target: TargetId) -> NewRecord {
    let mut random = Random::new(number ^ 0xb0d7);
    let (least, most) = match (sizes, random.below(20)) {
        (Sizes::Small, _) | (Sizes::Mixed, 0..8) => (0, 300),
        (Sizes::Mixed, 8..16) => (300, 4096),
        (Sizes::Mixed, 16..19) => (4096, 20 * 1024),
        (Sizes::Mixed, _) => (20 * 1024, LARGEST),
        (Sizes::Large, _) => (LARGEST / 2, LARGEST),
    };
    let length = least + random.below(most - least + 1);
    let start = random.below(noise().len() - length);
    let meta = Meta {
        target,
        project: number,
        key: format!("{:032x}", random.number()),
        received: noon() + Duration::from_secs(number),
        event_id: Some(format!("{number:032x}")),
        item_count: 1 + random.below(3) as u32,
        items: "error=1".to_owned(),
        encoding: "identity".to_owned(),
        headers: "x".repeat(random.below(100)),
    };
    NewRecord { meta, body: noise().slice(start..start + length) }
}

/// The number of a record that was stored.
pub(crate) fn number_of(stored: &Stored) -> u64 {
    stored.meta.project
}

fn noise() -> &'static Bytes {
    static NOISE: OnceLock<Bytes> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut random = Random::new(1);
        (0..LARGEST / 4).flat_map(|_| random.number().to_le_bytes()).collect()
    })
}
