//! Which records of each segment are still needed.

use std::collections::BTreeMap;

use crate::{Location, frame::ALIGN};

/// What is live in each segment.
#[derive(Default)]
pub(crate) struct Space {
    segments: BTreeMap<u64, SegmentSpace>,
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
    }

    /// A segment exists, though it may have no records.
    pub(crate) fn begin(&mut self, number: u64) {
        self.segments.entry(number).or_default();
    }

    pub(crate) fn seal(&mut self, number: u64, file_bytes: u64) {
        self.segments.entry(number).or_default().sealed = Some(file_bytes);
    }

    pub(crate) fn forget(&mut self, number: u64) {
        self.segments.remove(&number);
    }

    /// Releases a record; true when its segment can go. Releasing a record twice, or none, changes nothing.
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
        segment.live == 0 && segment.sealed.is_some()
    }

    /// Sealed segments without a live record.
    pub(crate) fn empty_segments(&self) -> Vec<u64> {
        let empty = self.segments.iter().filter(|(_, segment)| segment.live == 0 && segment.sealed.is_some());
        empty.map(|(&number, _)| number).collect()
    }

    /// A sealed segment that little keeps alive: less than an eighth of its file.
    pub(crate) fn sparse_segment(&self) -> Option<u64> {
        let sparse = |segment: &SegmentSpace| {
            segment.live > 0
                && !segment.stays
                && segment.sealed.is_some_and(|bytes| (segment.live_bytes + segment.live * 32) * 8 < bytes)
        };
        self.segments.iter().find(|(_, segment)| sparse(segment)).map(|(&number, _)| number)
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
