//! One record as bytes. Both checksums cover the segment's nonce and the frame's place, so neither an old frame of a segment
//! that is used again nor a frame inside another record's payload is taken for a record.
//!
//! ```text
//!  0      4      5         6           8             12           16         20     24
//!  ┌──────┬──────┬─────────┬───────────┬─────────────┬────────────┬──────────┬──────┬─────┬─────────┬─────────┐
//!  │ sync │ kind │ tag len │ erased, 0 │ payload len │ header CRC │ body CRC │ 0    │ tag │ payload │ 0…7 × 0 │
//!  └──────┴──────┴─────────┴───────────┴─────────────┴────────────┴──────────┴──────┴─────┴─────────┴─────────┘
//! ```
//! The payload of an erased record counts as zeros, whatever of it is overwritten already.

use bytes::Bytes;

/// Begins every frame.
pub(crate) const SYNC: [u8; 4] = [0x9e, 0x4a, 0x1d, 0xf3];

/// Length of what stands before the tag.
pub(crate) const HEADER_BYTES: usize = 24;

/// Frames begin at multiples of this.
pub(crate) const ALIGN: u64 = 8;

/// What a device writes whole or not at all.
const SECTOR: u64 = 512;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: u8,
    pub(crate) tag_len: u8,
    pub(crate) payload_len: u32,
    pub(crate) body_crc: u32,
    pub(crate) erased: Erased,
}

/// Whether a payload is still to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Erased {
    /// It is.
    No,
    /// It is about to be zeros.
    Begun,
    /// It is zeros.
    Done,
}

impl Erased {
    fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::No,
            1 => Self::Begun,
            _ => Self::Done,
        }
    }
}

impl FrameHeader {
    /// The whole frame's length, with its filling.
    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(usize::from(self.tag_len), self.payload_len)
    }

    /// Tag and payload.
    pub(crate) fn body_bytes(&self) -> u64 {
        u64::from(self.tag_len) + u64::from(self.payload_len)
    }

    pub(crate) fn encode(&self, place: Place) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..4].copy_from_slice(&SYNC);
        out[4] = self.kind;
        out[5] = self.tag_len;
        out[6] = self.erased as u8;
        out[8..12].copy_from_slice(&self.payload_len.to_be_bytes());
        out[16..20].copy_from_slice(&self.body_crc.to_be_bytes());
        let crc = place.header_crc(&out);
        out[12..16].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads a header; `None` when the bytes are none that belong to this place.
    pub(crate) fn decode(bytes: &[u8], place: Place) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        if bytes[..4] != SYNC {
            return None;
        }
        let header = Self::unchecked(bytes);
        let stored = header_crc_in(bytes);
        (place.header_crc(&blanked(bytes)) == stored).then_some(header)
    }

    /// Reads a header of which a power cut left one part as it was and the other as it was to be when its record was erased: it crosses the
    /// border of two sectors. `None` when it is no such header.
    pub(crate) fn decode_torn(bytes: &[u8; HEADER_BYTES], place: Place, tag: &[u8]) -> Option<Self> {
        let found = Self::unchecked(bytes);
        if !place.may_be_torn(bytes) || usize::from(found.tag_len) != tag.len() {
            return None;
        }
        let is_whole = |header: &Self| header_crc_in(&header.encode(place)) == header_crc_in(bytes);
        match place.offset % SECTOR {
            // The checksums are in the second sector.
            504 => [Erased::No, Erased::Begun, Erased::Done]
                .map(|erased| Self { erased, ..found })
                .into_iter()
                .find(is_whole),
            // So is the one of the body alone.
            496 => {
                let body_crc = place.erased_body_crc(tag, found.payload_len);
                let begun = Self { erased: Erased::Begun, body_crc, ..found };
                let first_is_old = found.erased == Erased::No && found.body_crc == body_crc;
                (first_is_old || is_whole(&begun)).then_some(begun)
            }
            _ => None,
        }
    }

    /// What the bytes of a header say, right or wrong.
    pub(crate) fn unchecked(bytes: &[u8; HEADER_BYTES]) -> Self {
        Self {
            kind: bytes[4],
            tag_len: bytes[5],
            payload_len: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            body_crc: u32::from_be_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]),
            erased: Erased::from_byte(bytes[6]),
        }
    }
}

fn header_crc_in(bytes: &[u8; HEADER_BYTES]) -> u32 {
    u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
}

/// A header as its checksum counts it.
fn blanked(bytes: &[u8; HEADER_BYTES]) -> [u8; HEADER_BYTES] {
    let mut blank = *bytes;
    blank[12..16].fill(0);
    blank
}

/// The length of a frame with its filling.
pub(crate) fn frame_bytes(tag_len: usize, payload_len: u32) -> u64 {
    (HEADER_BYTES as u64 + tag_len as u64 + u64::from(payload_len)).next_multiple_of(ALIGN)
}

/// Where a frame belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) nonce: u64,
    pub(crate) offset: u64,
}

impl Place {
    /// Whether a header here crosses the border of two sectors.
    pub(crate) fn may_be_torn(self, header: &[u8; HEADER_BYTES]) -> bool {
        self.offset % SECTOR > SECTOR - HEADER_BYTES as u64 && header.starts_with(&SYNC)
    }

    fn seed(self) -> u32 {
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.nonce.to_be_bytes());
        seed[8..].copy_from_slice(&self.offset.to_be_bytes());
        crc32c::crc32c(&seed)
    }

    fn header_crc(self, header_with_blank_crc: &[u8; HEADER_BYTES]) -> u32 {
        crc32c::crc32c_append(self.seed(), header_with_blank_crc)
    }

    /// A checksum to be continued over tag and payload.
    pub(crate) fn body_crc(self) -> BodyCrc {
        BodyCrc(self.seed())
    }

    /// The checksum of a whole body.
    pub(crate) fn body_crc_of(self, tag: &[u8], parts: &[Bytes]) -> u32 {
        let mut crc = self.body_crc();
        crc.add(tag);
        for part in parts {
            crc.add(part);
        }
        crc.0
    }

    /// The checksum of a body whose payload was erased: a tag, and as many zeros.
    pub(crate) fn erased_body_crc(self, tag: &[u8], payload_len: u32) -> u32 {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut crc = self.body_crc();
        crc.add(tag);
        let mut left = payload_len as usize;
        while left > 0 {
            let len = left.min(ZEROS.len());
            crc.add(&ZEROS[..len]);
            left -= len;
        }
        crc.0
    }
}

/// A body's checksum while its bytes come.
pub(crate) struct BodyCrc(pub(crate) u32);

impl BodyCrc {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }
}
