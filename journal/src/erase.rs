//! Overwrites the payloads of records that nobody is to read any more, where they are. Places, kinds, tags and lengths stay, so nothing that
//! knows them by these has to change; and whole blocks of the disk are given back at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    ops::RangeInclusive,
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    Location, ReadError,
    disk::DiskFile,
    frame::{Erased, FrameHeader, HEADER_BYTES, Place, SYNC},
    journal::{Shared, lock},
    segment::{self, read_whole},
};

/// Records that are to be erased: those with a tag, from one location to another.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// From the first to the last.
    pub range: RangeInclusive<Location>,
    /// Their tag.
    pub tag: Bytes,
}

/// One of them.
#[derive(Clone)]
struct Target {
    location: Location,
    file: Arc<dyn DiskFile>,
    place: Place,
    header: FrameHeader,
    tag: Bytes,
}

/// The segments that are written to, each opened for this alone. That something did not reach the device, the system says once to each opening
/// of a file: on the writer's it would be told to one of the two, and the other would take for written what is not.
type Handles = HashMap<u64, Arc<dyn DiskFile>>;

impl Shared {
    /// Erases records of the kinds that are `wanted`. The first of each tag go last, when the others are gone on the device too.
    pub(crate) fn erase(&self, erasures: &[Erasure], wanted: &dyn Fn(u8) -> bool) -> Result<(), ReadError> {
        let (mut firsts, mut others, mut handles) = (Vec::new(), Vec::new(), Handles::new());
        for erasure in erasures {
            let mut targets = self.targets(erasure, wanted, &mut handles)?.into_iter();
            firsts.extend(targets.next());
            others.extend(targets);
        }
        erase_all(&mut others)?;
        erase_all(&mut firsts)
    }

    fn targets(
        &self,
        erasure: &Erasure,
        wanted: &dyn Fn(u8) -> bool,
        handles: &mut Handles,
    ) -> Result<Vec<Target>, ReadError> {
        let Erasure { range, tag } = erasure;
        let mut targets = Vec::new();
        for number in range.start().segment..=range.end().segment {
            let places = lock(&self.space).live_records(number);
            for location in places.into_iter().filter(|place| range.contains(place) && place.len > 0) {
                if let Some((place, header)) = self.erasable(location, tag)?
                    && wanted(header.kind)
                {
                    let file = self.handle(location, handles)?;
                    targets.push(Target { location, file, place, header, tag: tag.clone() });
                }
            }
        }
        Ok(targets)
    }

    /// The header of the record at a place, when it has the tag and is not erased already. One whose header is not whole, as a power cut or a failing
    /// device leaves it that is rewriting it, gets a whole one.
    fn erasable(&self, location: Location, tag: &Bytes) -> Result<Option<(Place, FrameHeader)>, ReadError> {
        let io = |source: io::Error| ReadError::Io { location, source };
        let segment = lock(&self.segments).get(&location.segment).cloned();
        let segment = segment.ok_or(ReadError::Missing(location))?;
        let place = Place { nonce: segment.nonce, offset: location.offset };
        let mut bytes = vec![0; HEADER_BYTES + tag.len()];
        if !read_whole(&*segment.file, &mut bytes, location.offset).map_err(io)? {
            return Ok(None);
        }
        let Some((header, found_tag)) = bytes.split_first_chunk() else { return Ok(None) };
        let is_here = found_tag == tag.as_ref() && header.starts_with(&SYNC);
        let header = FrameHeader::decode(header, place)
            .or_else(|| is_here.then(|| FrameHeader { erased: Erased::No, ..FrameHeader::unchecked(header) }))
            .filter(|header| is_here && usize::from(header.tag_len) == tag.len())
            .filter(|header| header.payload_len == location.len && header.erased != Erased::Done);
        Ok(header.map(|header| (place, header)))
    }

    fn handle(&self, location: Location, handles: &mut Handles) -> Result<Arc<dyn DiskFile>, ReadError> {
        match handles.entry(location.segment) {
            Entry::Occupied(handle) => Ok(Arc::clone(handle.get())),
            Entry::Vacant(none) => {
                let path = segment::path(&self.directory, location.segment);
                let opened = self.disk.open(&path).map_err(|source| ReadError::Io { location, source })?;
                Ok(Arc::clone(none.insert(opened)))
            }
        }
    }
}

/// The headers say first that nothing is to be read, on the device too: so whatever is left of a payload means nothing. Last they say that
/// nothing is left; without that, it is done again.
fn erase_all(targets: &mut [Target]) -> Result<(), ReadError> {
    targets.sort_unstable_by_key(|target| target.location);
    each(targets, |target| target.write_header(Erased::Begun))?;
    sync(targets)?;
    each(targets, Target::overwrite)?;
    sync(targets)?;
    each(targets, |target| target.write_header(Erased::Done))
}

fn each(targets: &[Target], work: impl Fn(&Target) -> io::Result<()>) -> Result<(), ReadError> {
    let of =
        |target: &Target| work(target).map_err(|source| ReadError::Io { location: target.location, source });
    targets.iter().try_for_each(of)
}

/// Each segment once.
fn sync(targets: &[Target]) -> Result<(), ReadError> {
    let mut segments = targets.to_vec();
    segments.dedup_by_key(|target| target.location.segment);
    each(&segments, |target| target.file.sync_data())
}

impl Target {
    fn write_header(&self, erased: Erased) -> io::Result<()> {
        let body_crc = self.place.erased_body_crc(&self.tag, self.header.payload_len);
        let header = FrameHeader { erased, body_crc, ..self.header };
        self.file.write_all_at(&header.encode(self.place), self.location.offset)
    }

    fn overwrite(&self) -> io::Result<()> {
        let payload = self.location.offset + (HEADER_BYTES + self.tag.len()) as u64;
        self.file.erase(payload, u64::from(self.header.payload_len))
    }
}
