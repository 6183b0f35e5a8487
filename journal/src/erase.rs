//! Overwrites the payloads of records that nobody is to read any more, where they are. Places, kinds, tags and lengths stay, so nothing that
//! knows them by these has to change; and whole blocks of the disk are given back at once.

use std::{io, ops::RangeInclusive, sync::Arc};

use crate::{
    Location, ReadError,
    disk::DiskFile,
    frame::{FrameHeader, HEADER_BYTES, Place},
    journal::{Shared, lock},
    segment::read_whole,
};

/// A record to be erased.
struct Target {
    location: Location,
    file: Arc<dyn DiskFile>,
    place: Place,
    header: FrameHeader,
}

impl Shared {
    /// Erases the records with a tag, of the kinds that are `wanted`. The first one goes last, when the others are gone on the device too.
    pub(crate) fn erase(
        &self,
        range: &RangeInclusive<Location>,
        tag: &[u8],
        wanted: &dyn Fn(u8) -> bool,
    ) -> Result<(), ReadError> {
        let mut targets = Vec::new();
        for number in range.start().segment..=range.end().segment {
            let places = lock(&self.space).live_records(number);
            for location in places.into_iter().filter(|place| range.contains(place) && place.len > 0) {
                targets.extend(self.target(location, tag)?.filter(|target| wanted(target.header.kind)));
            }
        }
        let others = targets.get(1..).unwrap_or_default();
        erase_all(others, tag)?;
        erase_all(targets.get(..1).unwrap_or_default(), tag)
    }

    /// The record at a place, when it has the tag.
    fn target(&self, location: Location, tag: &[u8]) -> Result<Option<Target>, ReadError> {
        let io = |source: io::Error| ReadError::Io { location, source };
        let segment = lock(&self.segments).get(&location.segment).cloned();
        let segment = segment.ok_or(ReadError::Missing(location))?;
        let place = Place { nonce: segment.nonce, offset: location.offset };
        let mut bytes = vec![0; HEADER_BYTES + tag.len()];
        if !read_whole(&*segment.file, &mut bytes, location.offset).map_err(io)? {
            return Ok(None);
        }
        let header = FrameHeader::decode(&bytes, place)
            .filter(|header| usize::from(header.tag_len) == tag.len() && bytes[HEADER_BYTES..] == *tag);
        Ok(header.map(|header| Target { location, file: segment.file, place, header }))
    }
}

fn erase_all(targets: &[Target], tag: &[u8]) -> Result<(), ReadError> {
    for target in targets {
        target.erase(tag).map_err(|source| ReadError::Io { location: target.location, source })?;
    }
    let mut synced = None;
    for Target { location, file, .. } in targets {
        if synced.replace(location.segment) != Some(location.segment) {
            file.sync_data().map_err(|source| ReadError::Io { location: *location, source })?;
        }
    }
    Ok(())
}

impl Target {
    /// The header says so first: from then on nothing reads the payload, whatever of it is overwritten.
    fn erase(&self, tag: &[u8]) -> io::Result<()> {
        let FrameHeader { payload_len, .. } = self.header;
        let body_crc = self.place.erased_body_crc(tag, payload_len);
        let header = FrameHeader { erased: true, body_crc, ..self.header };
        self.file.write_all_at(&header.encode(self.place), self.location.offset)?;
        let payload = self.location.offset + (HEADER_BYTES + tag.len()) as u64;
        self.file.erase(payload, u64::from(payload_len))
    }
}
