//! Random histories of one journal: what was acknowledged and not released is there after every end of a run, whole and in
//! order, and no damage is reported that is none.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::{Context, ensure};
use fastrand::Rng;
use inhaul_journal::{AppendError, Erasure, Journal, Location, Options};

use crate::{
    disk::SimDisk,
    seeds::{self, Outcome, Regressions, Seeds},
};

/// Steps of one history.
const STEPS: u32 = 120;

/// What is known of a record.
#[derive(Clone, Copy, Debug)]
struct Known {
    bytes: usize,
    place: Option<Location>,
    /// It was acknowledged, or an opening said that it is there.
    acknowledged: bool,
    released: bool,
    erased: Erased,
}

/// Whether a record was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Erased {
    No,
    /// That was begun, and not said to be done.
    Perhaps,
    Yes,
}

impl Known {
    /// Whether this is what it may be read as.
    fn is_read_as(&self, number: u64, read: &[u8]) -> bool {
        let is_whole = read == payload(number, self.bytes);
        match self.erased {
            Erased::No => is_whole,
            Erased::Perhaps => is_whole || read.is_empty(),
            Erased::Yes => read.is_empty(),
        }
    }
}

/// Records by number, shared with what the journal calls.
type Records = Arc<Mutex<BTreeMap<u64, Known>>>;

struct World {
    rng: Rng,
    disk: SimDisk,
    records: Records,
    next: u64,
    segment_bytes: u64,
    prefill: bool,
    keep_free: usize,
    ready: usize,
    moves: bool,
    in_order: bool,
    journal: Option<Journal>,
}

fn payload(number: u64, bytes: usize) -> Vec<u8> {
    number.to_be_bytes().iter().copied().cycle().take(bytes).collect()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            disk: SimDisk::new(rng.u64(..)),
            records: Records::default(),
            next: 0,
            segment_bytes: [8 << 10, 16 << 10, 24 << 10, 32 << 10][rng.usize(..4)],
            prefill: rng.bool(),
            keep_free: rng.usize(..3),
            // No choice more, or the committed seeds would mean other histories.
            ready: usize::try_from(seed % 3).unwrap(),
            moves: rng.u8(..3) > 0,
            in_order: rng.bool(),
            journal: None,
            rng,
        }
    }

    fn options(&self) -> Options {
        let records = Arc::clone(&self.records);
        let on_moved = move |moved: &inhaul_journal::Moved<'_>| {
            let number = u64::from_be_bytes(moved.tag.try_into().unwrap());
            let mut records = records.lock().unwrap();
            match records.get_mut(&number).and_then(|known| known.place.as_mut()) {
                Some(place) if *place == moved.from => {
                    *place = moved.to;
                    true
                }
                _ => false,
            }
        };
        Options {
            segment_bytes: self.segment_bytes,
            queue_records: 24,
            queue_bytes: 64 << 10,
            prefill: self.prefill,
            keep_free: self.keep_free,
            ready: self.ready,
            on_moved: if self.moves { Some(Box::new(on_moved)) } else { None },
            in_order: self.in_order,
            worth_waiting: None,
            stepped: true,
        }
    }

    /// Opens the journal and compares what is in it with what must be.
    fn open(&mut self) -> Outcome {
        let mut found: Vec<(u64, Location)> = Vec::new();
        let failing = self.disk.is_failing();
        let opened = Journal::open_on(
            Arc::new(self.disk.clone()),
            Path::new("/j"),
            self.options(),
            &mut |place, _, tag| {
                found.push((u64::from_be_bytes(tag.try_into().unwrap()), place));
            },
        );
        let (journal, recovery) = match opened {
            Ok(opened) => opened,
            Err(_) if self.disk.is_over() => return Ok(()),
            Err(_) if failing => {
                // What a failed sync dropped, no later one reports: such a machine is started again.
                self.disk.heal();
                self.disk = self.disk.lose_power();
                return self.open();
            }
            Err(error) => return Err(error).context("it does not open"),
        };
        ensure!(recovery.problems().is_empty(), "{:?}", recovery.problems());
        let mut places: BTreeMap<u64, Location> = BTreeMap::new();
        let mut records = self.records.lock().unwrap();
        for (number, place) in found {
            if let Some(before) = places.insert(number, place) {
                ensure!(before < place, "{number} is listed at {before:?} and then at {place:?}");
                journal.release(before);
            }
            let known = records.get(&number).with_context(|| format!("{number} was never appended"))?;
            if known.released {
                journal.release(place);
            }
            let record = journal.read(place)?;
            ensure!(known.is_read_as(number, &record.payload), "{number} is another record");
        }
        for (number, known) in records.iter_mut() {
            let place = places.get(number).copied();
            ensure!(
                place.is_some() || !known.acknowledged || known.released,
                "{number} was acknowledged at {:?} and is lost",
                known.place
            );
            known.place = place;
            known.acknowledged |= place.is_some();
        }
        drop(records);
        self.journal = Some(journal);
        Ok(())
    }

    fn append(&mut self, bytes: usize) {
        let Some(journal) = &self.journal else { return };
        let number = self.next;
        self.next += 1;
        let records = Arc::clone(&self.records);
        records.lock().unwrap().insert(
            number,
            Known { bytes, place: None, acknowledged: false, released: false, erased: Erased::No },
        );
        let (disk, payload) = (self.disk.clone(), payload(number, bytes));
        let appended = journal.append(1, number.to_be_bytes(), vec![payload.into()], move |written| {
            // What is said after the end is heard by nobody.
            if let Ok(place) = written
                && !disk.is_over()
            {
                let mut records = records.lock().unwrap();
                let known = records.get_mut(&number).unwrap();
                (known.place, known.acknowledged) = (Some(place), true);
            }
        });
        match appended {
            Ok(()) | Err(AppendError::Full) => {}
            Err(AppendError::Behind) if self.in_order => {
                if self.rng.bool() {
                    journal.go_on();
                }
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// One of the acknowledged records.
    fn any(&mut self) -> Option<(u64, Location)> {
        let records = self.records.lock().unwrap();
        let live: Vec<_> = records
            .iter()
            .filter(|(_, known)| !known.released)
            .filter_map(|(&number, known)| Some((number, known.place?)))
            .collect();
        drop(records);
        self.rng.choice(live)
    }

    fn release(&mut self) {
        if let Some((number, place)) = self.any() {
            self.records.lock().unwrap().get_mut(&number).unwrap().released = true;
            self.journal.iter().for_each(|journal| journal.release(place));
        }
    }

    /// Many records are not needed any more, so others are moved.
    fn give_space_back(&mut self) {
        for _ in 0..self.rng.u32(1..6) {
            (0..self.rng.u32(..8)).for_each(|_| self.release());
            self.journal.iter().for_each(|journal| {
                journal.step();
            });
        }
    }

    /// Some records are erased, and at times the run ends meanwhile. What was copied is not, so only where nothing is moved.
    fn erase(&mut self) {
        let some: Vec<(u64, Location)> = (0..self.rng.usize(1..5)).filter_map(|_| self.any()).collect();
        if self.rng.u8(..3) == 0 {
            self.disk.end_run_after(self.rng.u32(..12));
        }
        let erasure = |&(number, place): &(u64, Location)| Erasure {
            range: place..=place,
            tag: number.to_be_bytes().to_vec().into(),
        };
        let erasures: Vec<Erasure> = some.iter().map(erasure).collect();
        let Some(journal) = self.journal.as_ref().filter(|_| !self.moves) else { return };
        let erased = journal.erase(&erasures, &|_| true).is_ok() && !self.disk.is_over();
        let mut records = self.records.lock().unwrap();
        for (number, _) in &some {
            let known = records.get_mut(number).unwrap();
            known.erased = if erased || known.erased == Erased::Yes { Erased::Yes } else { Erased::Perhaps };
        }
    }

    fn read(&mut self) -> Outcome {
        let Some((number, place)) = self.any() else { return Ok(()) };
        let Some(journal) = &self.journal else { return Ok(()) };
        let known = self.records.lock().unwrap()[&number];
        let record = journal.read(place).with_context(|| format!("{number} is not read"))?;
        ensure!(known.is_read_as(number, &record.payload), "{number} is read as another");
        Ok(())
    }

    fn end_run(&mut self) -> Outcome {
        if self.rng.u8(..4) == 0 && !self.disk.is_over() {
            self.journal.take().map(Journal::close);
        }
        let next = if self.rng.bool() { self.disk.kill() } else { self.disk.lose_power() };
        // What it does on its way out, nobody's disk sees.
        self.journal = None;
        self.disk = next;
        self.open()
    }

    fn step(&mut self) -> Outcome {
        match self.rng.u32(..100) {
            0..38 => {
                let (count, bytes) = match self.rng.u32(..40) {
                    0 => (1, 40_000),
                    1..10 => (self.rng.u32(1..4), 4000),
                    _ => (self.rng.u32(1..16), 400),
                };
                for _ in 0..count {
                    let bytes = self.rng.usize(..bytes);
                    self.append(bytes);
                }
            }
            38..62 => drop(self.journal.as_ref().map(Journal::step)),
            62..82 => (0..self.rng.u32(1..9)).for_each(|_| self.release()),
            82..86 => self.read()?,
            86 | 87 => self.erase(),
            88..90 => {
                self.disk.fail_writes(self.rng.u32(..6), self.rng.u32(1..4));
                self.give_space_back();
            }
            90..92 => {
                self.disk.fail_syncs(self.rng.u32(..6), self.rng.u32(1..4));
                self.give_space_back();
            }
            92 => self.disk.fill(self.rng.u64(..50_000)),
            93..95 => self.disk.heal(),
            95..97 => self.disk.end_run_after(self.rng.u32(..20)),
            _ => self.end_run()?,
        }
        if self.disk.is_over() || self.journal.is_none() { self.end_run() } else { Ok(()) }
    }

    /// All is well again: it takes records, and gives space back.
    fn end_well(&mut self) -> Outcome {
        self.disk.heal();
        self.disk = self.disk.kill();
        self.journal = None;
        self.open()?;
        while self.any().is_some() {
            self.release();
        }
        let Some(journal) = &self.journal else { anyhow::bail!("it is not open") };
        for _ in 0..8 {
            let place =
                journal.append_wait(1, &self.next.to_be_bytes(), vec![payload(self.next, 6000).into()])?;
            journal.release(place);
        }
        let steps = (0..1000).take_while(|_| journal.step()).count();
        ensure!(steps < 1000, "it never comes to rest: {:?}", journal.stats());
        let stats = journal.stats();
        // What is known to nobody stays until the next opening; here that is one record for each run at most.
        ensure!(stats.segments <= 4, "space does not come back: {stats:?}");
        Ok(())
    }
}

fn history(seed: u64) -> Outcome {
    let mut world = World::new(seed);
    world.open()?;
    for _ in 0..STEPS {
        world.step()?;
    }
    world.end_well()
}

const REGRESSIONS: &Regressions = &[
    (14, "a segment was written to behind records that are not whole"),
    (20, "a side index that a failed seal left hid later records"),
    (31, "a file was used again before its old name was gone"),
    (136, "what a killed process left was not synced before it was used"),
    (152, "records were moved into two segments, and the sync of the first one failed"),
    (236, "a header was torn while its record was erased"),
];

#[test]
fn a_journal_keeps_what_it_acknowledged_whatever_its_disk_does() {
    seeds::hold("journal", REGRESSIONS, &Seeds { usually: 1000, one_of: 1 }, history);
}
