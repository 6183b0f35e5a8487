//! Which records of each segment are still needed.

use std::collections::BTreeMap;

use crate::{Location, frame::ALIGN, segment::FIRST_FRAME};

/// What is live in each segment.
#[derive(Default)]
pub(crate) struct Space {
    segments: BTreeMap<u64, SegmentSpace>,
    /// Of the sealed segments: the sizes of their files, and what of it is live.
    sealed_bytes: u64,
    sealed_live_bytes: u64,
}

/// What a live record weighs against the size of a file: its payload, and about what its frame adds.
fn weight(payload_len: u32) -> u64 {
    u64::from(payload_len) + 32
}

/// What is live in one segment: four bytes and a bit for each record.
#[derive(Default)]
struct SegmentSpace {
    /// Offsets of the frames in units of [`ALIGN`], growing.
    frames: Vec<u32>,
    lengths: Vec<u32>,
    released: Vec<u64>,
    live: u64,
    live_bytes: u64,
    /// File size once nothing is appended to it any more.
    sealed: Option<u64>,
    /// Its records are not to be moved.
    stays: bool,
}

/// A segment with less than an eighth of its file live is always emptied: it holds much for little.
const SPARSE: u64 = 8;

/// A segment with less than half of its file live is emptied when that is needed: moving it gives back more than it writes.
const HALF: u64 = 2;

impl SegmentSpace {
    /// Whether less than one in `parts` of the file is live.
    fn is_less_than(&self, parts: u64) -> bool {
        self.sealed
            .is_some_and(|file_bytes| self.weight() * parts < file_bytes.saturating_sub(2 * FIRST_FRAME))
    }

    fn weight(&self) -> u64 {
        self.live_bytes + self.live * weight(0)
    }
}

impl Space {
    pub(crate) fn add(&mut self, location: Location) {
        let segment = self.segments.entry(location.segment).or_default();
        let Ok(unit) = u32::try_from(location.offset / ALIGN) else { return };
        segment.frames.push(unit);
        segment.lengths.push(location.len);
        if segment.frames.len() > segment.released.len() * 64 {
            segment.released.push(0);
        }
        segment.live += 1;
        segment.live_bytes += u64::from(location.len);
        if segment.sealed.is_some() {
            self.sealed_live_bytes += weight(location.len);
        }
    }

    /// A segment exists, though it may have no records.
    pub(crate) fn begin(&mut self, number: u64) {
        self.segments.entry(number).or_default();
    }

    pub(crate) fn seal(&mut self, number: u64, file_bytes: u64) {
        let segment = self.segments.entry(number).or_default();
        match segment.sealed.replace(file_bytes) {
            Some(before) => self.sealed_bytes -= before,
            None => self.sealed_live_bytes += segment.weight(),
        }
        self.sealed_bytes += file_bytes;
    }

    pub(crate) fn forget(&mut self, number: u64) {
        if let Some(segment) = self.segments.remove(&number)
            && let Some(file_bytes) = segment.sealed
        {
            self.sealed_bytes -= file_bytes;
            self.sealed_live_bytes -= segment.weight();
        }
    }

    /// Releases a record; true when there is something to be done: its segment can go, or is sparse. Releasing a record twice, or none, changes nothing.
    pub(crate) fn release(&mut self, location: Location) -> bool {
        let Some(segment) = self.segments.get_mut(&location.segment) else { return false };
        let Ok(unit) = u32::try_from(location.offset / ALIGN) else { return false };
        let Ok(index) = segment.frames.binary_search(&unit) else { return false };
        let bit = 1 << (index % 64);
        if segment.released[index / 64] & bit != 0 {
            return false;
        }
        segment.released[index / 64] |= bit;
        segment.live -= 1;
        segment.live_bytes -= u64::from(segment.lengths[index]);
        if segment.sealed.is_none() {
            return false;
        }
        self.sealed_live_bytes -= weight(segment.lengths[index]);
        segment.live == 0 || segment.is_less_than(SPARSE) || (segment.is_less_than(HALF) && self.is_thin())
    }

    /// Sealed segments without a live record.
    pub(crate) fn empty_segments(&self) -> Vec<u64> {
        let empty = self.segments.iter().filter(|(_, segment)| segment.live == 0 && segment.sealed.is_some());
        empty.map(|(&number, _)| number).collect()
    }

    /// A sealed segment whose records are to be moved: one that little keeps alive, or, when much of all segments is not needed
    /// any more, the one of them that is easiest to empty.
    pub(crate) fn sparse_segment(&self) -> Option<u64> {
        let movable = |segment: &SegmentSpace| segment.live > 0 && segment.sealed.is_some() && !segment.stays;
        let sealed = || self.segments.iter().filter(|&(_, segment)| movable(segment));
        if let Some((&number, _)) = sealed().find(|(_, segment)| segment.is_less_than(SPARSE)) {
            return Some(number);
        }
        if !self.is_thin() {
            return None;
        }
        let (&number, least) = sealed().min_by_key(|(_, segment)| segment.live_bytes)?;
        least.is_less_than(HALF).then_some(number)
    }

    /// More than a tenth of all sealed segments is not needed any more.
    fn is_thin(&self) -> bool {
        self.sealed_live_bytes * 10 < self.sealed_bytes * 9
    }

    /// The records of this segment cannot be moved.
    pub(crate) fn keep_in_place(&mut self, number: u64) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.stays = true;
        }
    }

    /// The live records of a segment, in order.
    pub(crate) fn live_records(&self, number: u64) -> Vec<Location> {
        let Some(segment) = self.segments.get(&number) else { return Vec::new() };
        let live = |index: &usize| segment.released[index / 64] & (1 << (index % 64)) == 0;
        (0..segment.frames.len())
            .filter(live)
            .map(|index| Location {
                segment: number,
                offset: u64::from(segment.frames[index]) * ALIGN,
                len: segment.lengths[index],
            })
            .collect()
    }

    /// Segments, live records and their payload bytes.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let live = self.segments.values().map(|segment| segment.live).sum();
        let bytes = self.segments.values().map(|segment| segment.live_bytes).sum();
        (self.segments.len() as u64, live, bytes)
    }
}
