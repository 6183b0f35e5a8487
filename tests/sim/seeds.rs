//! Histories from seeds: as many as asked for, on as many threads as there are, each history on one.

use std::{
    any::Any,
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// What a history says when a promise is broken.
pub type Outcome = anyhow::Result<()>;

/// The history of one seed; a panic in it is a broken promise too.
pub fn outcome_of(seed: u64, history: impl Fn(u64) -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| history(seed)))
        .unwrap_or_else(|panic| Err(anyhow::anyhow!("it panicked: {}", words_of(panic.as_ref()))))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Whether one history is to be repeated, and should say what happens in it.
pub fn is_repeated() -> bool {
    env::var_os("INHAUL_SIM_SEED").is_some()
}

/// The lowest seed below `count` whose history breaks a promise, and how.
pub fn first_broken(count: u64, history: impl Fn(u64) -> Outcome + Sync) -> Option<(u64, anyhow::Error)> {
    let (next, broken) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let work = || {
        let mut found = None;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count || seed > broken.load(Ordering::Relaxed) {
                return found;
            }
            if let Err(error) = outcome_of(seed, &history) {
                broken.fetch_min(seed, Ordering::Relaxed);
                found = Some((seed, error));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let found = running.into_iter().filter_map(|thread| thread.join().unwrap());
        found.min_by_key(|(seed, _)| *seed)
    })
}

/// Seeds whose histories once broke a promise, and what was wrong then. A change of what a seed decides makes others of them.
pub type Regressions = [(u64, &'static str)];

/// How many seeds a test tries.
pub struct Seeds {
    /// When nobody says.
    pub usually: u64,
    /// One for so many of `INHAUL_SIM_SEEDS`: of long histories there are fewer.
    pub one_of: u64,
}

impl Seeds {
    fn count(&self) -> u64 {
        number("INHAUL_SIM_SEEDS").map_or(self.usually, |seeds| seeds.div_ceil(self.one_of))
    }
}

/// Fails with the seed when a history breaks a promise.
pub fn hold(test: &str, regressions: &Regressions, seeds: &Seeds, history: impl Fn(u64) -> Outcome + Sync) {
    let broken = match number("INHAUL_SIM_SEED") {
        Some(seed) => outcome_of(seed, history).err().map(|error| (seed, error)),
        None => regressions
            .iter()
            .find_map(|(seed, was)| Some((*seed, outcome_of(*seed, &history).err()?.context(*was))))
            .or_else(|| first_broken(seeds.count(), history)),
    };
    if let Some((seed, error)) = broken {
        panic!(
            "seed {seed}: {error:?}\nto repeat it: INHAUL_SIM_SEED={seed} cargo test -p inhaul --test sim {test} -- --nocapture"
        );
    }
}

/// Fails when no history of that many seeds notices what is wrong, and says which does.
pub fn must_break(count: u64, what: &str, history: impl Fn(u64) -> Outcome + Sync) {
    match first_broken(count, history) {
        Some((seed, error)) => println!("{what}: seed {seed}: {error:#}"),
        None => panic!("{what}: none of {count} seeds notices it"),
    }
}
