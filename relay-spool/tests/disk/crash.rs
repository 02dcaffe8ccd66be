//! The crash model test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use relay_spool::{OpenError, RecordId, Settings, Spool, Sync, View, blocking};

use crate::interposer::{Operation, Watched};
use crate::model::Model;
use crate::power_cut::Disk;
use crate::random::Random;
use crate::record::{self, Sizes, TARGETS};
use crate::schedule::{Kind, Life};

/// Runs the schedule of this seed alone.
const SEED: &str = "RELAY_SPOOL_CRASH_SEED";

/// Cuts the record in this file, which a failure has left, instead of making any.
const LOG: &str = "RELAY_SPOOL_CRASH_LOG";

const SCHEDULES: u64 = 240;
const CUTS: usize = 100;

/// Whatever the power does, no acknowledged record is lost, and nothing is invented.
pub(crate) fn no_power_cut_loses_what_was_acknowledged() -> Result<(), String> {
    let seed = |name| std::env::var(name).ok();
    let first = match (seed(LOG), seed(SEED)) {
        (Some(log), _) => {
            let log_path = Path::new(&log);
            let name = log_path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let seed = name.rsplit('-').next().and_then(|seed| seed.parse().ok());
            let seed = seed.ok_or("the name of the file does not end with a seed")?;
            let bytes = std::fs::read(log_path).map_err(|error| error.to_string())?;
            return cut(seed, &bytes, Sync::Disk, CUTS, &Watched::new()).map_err(|cut| cut.message);
        }
        (None, Some(seed)) => {
            let seed = seed.parse().map_err(|_| format!("{SEED} is no number"))?;
            return run(seed, Sync::Disk, CUTS).map_err(|cut| cut.message);
        }
        // Other ones each time; there is more to find than one run can.
        (None, None) => {
            let since = std::time::UNIX_EPOCH.elapsed().map_err(|error| error.to_string())?;
            since.as_secs() % 1_000_000 * SCHEDULES
        }
    };
    let begun = Instant::now();
    say(&format!("seeds {first} to {}", first + SCHEDULES - 1));
    let failures = run_all(first..first + SCHEDULES, Sync::Disk);
    say(&format!("{} cuts, {:?}", SCHEDULES * CUTS as u64, begun.elapsed()));
    match failures.first() {
        None => Ok(()),
        Some(_) => Err(failures.join("\n")),
    }
}

/// The same test on a spool that does not sync has to find losses, or it could not find any.
pub(crate) fn without_syncs_the_same_test_finds_losses() -> Result<(), String> {
    let failures = run_all(0..20, Sync::System);
    let lost = failures.iter().filter(|failure| failure.contains("lost")).count();
    if lost > 10 { Ok(()) } else { Err(format!("{lost} losses in 20 schedules: {failures:?}")) }
}

fn run_all(seeds: std::ops::Range<u64>, sync: Sync) -> Vec<String> {
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    if let Err(failure) = run(seed, sync, CUTS) {
                        failed.fetch_add(1, Ordering::Relaxed);
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push(failure.message);
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap_or_else(PoisonError::into_inner)
}

struct Failure {
    message: String,
}

fn kind_of(seed: u64) -> Kind {
    match seed % 60 {
        0..30 => Kind::Mixed,
        30..40 => Kind::Full,
        40..48 => Kind::FailingSync,
        48..56 => Kind::Damage,
        56..59 => Kind::Log,
        _ => Kind::Space,
    }
}

/// One schedule, in up to three lives, and its cuts.
fn run(seed: u64, sync: Sync, cuts: usize) -> Result<(), Failure> {
    let watched = Watched::new();
    let kind = kind_of(seed);
    let lives = match kind {
        Kind::Mixed | Kind::Full => 1 + seed % 3,
        Kind::FailingSync => 2,
        _ => 1,
    };
    for part in 0..lives {
        let output = watched.run(&Life { kind, seed, part, sync }.task(), true);
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(Failure { message: format!("seed {seed}: {}: {text}", output.status) });
        }
    }
    let log = watched.log();
    cut(seed, &log, sync, cuts, &watched).map_err(|mut failure| {
        if sync == Sync::Disk {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let kept = folder.join(format!("crash-{seed}.log"));
            let kept = std::fs::write(&kept, &log).map(|()| kept.display().to_string());
            failure.message += &format!(
                ": {SEED}={seed} runs the schedule again, {LOG}={} this very record of it",
                kept.unwrap_or_default()
            );
        }
        failure
    })
}

fn cut(seed: u64, log: &[u8], sync: Sync, cuts: usize, watched: &Watched) -> Result<(), Failure> {
    let kind = kind_of(seed);
    let operations = Operation::decode_all(log);
    let marks = operations.iter().filter_map(|operation| match operation {
        Operation::Mark(mark) => Some(mark.as_str()),
        _ => None,
    });
    let mut model = Model::new(kind, marks);
    let mut random = Random::new(seed);
    // Names change seldom, and what is written around that is no business of SQLite: a quarter of the cuts is for it.
    let changes = operations.iter().enumerate().filter(|(_, operation)| operation.is_of_names());
    let changes: Vec<usize> = changes.map(|(index, _)| index).collect();
    let place = |_| {
        let anywhere = random.below(operations.len() + 1);
        if changes.is_empty() || !random.once_in(4) {
            return anywhere;
        }
        (changes[random.below(changes.len())] + random.below(4)).min(operations.len())
    };
    let mut places: Vec<usize> = (0..cuts).map(place).collect();
    places.sort_unstable();
    let mut places = places.into_iter().peekable();
    let folder = watched.crashed();
    // What a failing sync loses is part of the schedule, not of a cut.
    let mut loss = Random::new(seed ^ 0x10);
    let mut disk = Disk::default();
    for (index, operation) in operations.iter().map(Some).chain([None]).enumerate() {
        let mut attempt = 0;
        while places.next_if_eq(&index).is_some() {
            attempt += 1;
            let mut random = Random::new(seed ^ (index as u64) << 20 ^ attempt << 50);
            let failed = |message| Failure {
                message: format!(
                    "seed {seed} ({kind:?}), cut {index} of {}: {message}",
                    operations.len()
                ),
            };
            disk.cut(&folder, &mut random).map_err(|error| failed(error.to_string()))?;
            check(&folder.join("spool"), &model, (kind, sync), &mut random).map_err(failed)?;
        }
        match operation {
            Some(Operation::Mark(mark)) => model.mark(mark),
            Some(operation) => disk.apply(operation, &mut loss),
            None => {}
        }
    }
    Ok(())
}

/// Opens what the crash has left, as the next relay would.
fn check(
    folder: &Path,
    model: &Model,
    (kind, sync): (Kind, Sync),
    random: &mut Random,
) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| {
        format!("{error}{}", error.source().map(|source| format!(": {source}")).unwrap_or_default())
    };
    if random.once_in(8) && kind != Kind::Damage {
        // As a tool would that looks first.
        match View::open(folder) {
            Err(OpenError::Missing { .. }) => {}
            view => verify(&view.map_err(|error| text(&error))?)?,
        }
    }
    // Nothing is cut any more.
    let settings = Settings { sync: Sync::System, ..Settings::default() };
    let spool = Spool::open(folder, settings).map_err(|error| text(&error))?;
    let targets = TARGETS.map(|name| spool.target(name));
    let targets: Vec<_> =
        targets.into_iter().collect::<Result<_, _>>().map_err(|error| text(&error))?;
    let found = blocking(|reply| spool.list(RecordId::default(), 100_000, u64::MAX, reply));
    let found = found.map_err(|error| text(&error))?;
    model.check(&found, &targets)?;

    let last = found.last().map_or(0, |(stored, _)| stored.id.get()).max(model.last_id);
    let next = record::record(0, Sizes::Small, targets[0]);
    let next = blocking(|reply| spool.append(vec![next], reply)).map_err(|error| text(&error))?;
    let next = next.stored[0].ok_or("there is no room for one record")?.get();
    if next <= last {
        return Err(format!("the id {next} was given after {last}"));
    }
    let status = spool.status();
    // Some that were overwritten still count: they are there, but not given out.
    if kind != Kind::Damage && status.total().records != found.len() as u64 + 1 {
        return Err(format!("{} of {} records are counted", status.total().records, found.len()));
    }
    spool.close();
    if kind == Kind::Damage {
        // Before the rescue there is damage to find, of course.
        let rescued = |path: PathBuf| path.to_string_lossy().contains(".damaged-");
        let entries = std::fs::read_dir(folder).map_err(|error| text(&error))?;
        if !entries.flatten().any(|entry| rescued(entry.path())) {
            return Ok(());
        }
    } else if sync == Sync::Disk && !status.set_aside.is_empty() {
        // What was never synced may well look like damage; then it is losses that are looked for.
        return Err("a crash was taken for damage".to_owned());
    }
    verify(&View::open(folder).map_err(|error| text(&error))?)
}

fn verify(view: &View) -> Result<(), String> {
    let findings = view.verify(|_| {}).map_err(|error| error.to_string())?;
    if findings.is_sound() { Ok(()) } else { Err(format!("{findings:?}")) }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
