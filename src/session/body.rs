//! Bodies on their way: cut into chunks on one side, put together on the other.

use bytes::{Bytes, BytesMut};

use crate::{
    event::EventId,
    wire::{CHUNK_BYTES, Chunk, Frame},
};

/// A body being sent, with the frame that goes before it.
pub(super) struct Sending {
    first: Option<Frame>,
    id: EventId,
    body: Bytes,
    offset: usize,
}

impl Sending {
    pub(super) fn new(first: Frame, id: EventId, body: Bytes) -> Self {
        Self { first: Some(first), id, body, offset: 0 }
    }

    /// The next frame, and whether it was the last.
    pub(super) fn next(&mut self) -> (Frame, bool) {
        let frame = self.first.take().unwrap_or_else(|| {
            let end = self.body.len().min(self.offset + CHUNK_BYTES);
            let chunk = Chunk { id: self.id, offset: self.offset as u64 };
            let data = self.body.slice(self.offset..end);
            self.offset = end;
            Frame::Chunk(chunk, data)
        });
        (frame, self.offset == self.body.len())
    }
}

/// A body being received. Memory grows with what has come, never with what was announced.
pub(super) struct Receiving {
    wanted: u64,
    body: BytesMut,
}

impl Receiving {
    pub(super) fn new(wanted: u64) -> Self {
        Self { wanted, body: BytesMut::new() }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.body.len() as u64 == self.wanted
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, chunk: Chunk, data: &Bytes) -> Result<(), String> {
        let have = self.body.len() as u64;
        if chunk.offset != have {
            return Err(format!("CHUNK of {} at offset {} where {have} was due", chunk.id, chunk.offset));
        }
        if data.is_empty() || data.len() > CHUNK_BYTES {
            return Err(format!("CHUNK of {} bytes; 1 to {CHUNK_BYTES} are allowed", data.len()));
        }
        if have + data.len() as u64 > self.wanted {
            return Err(format!("CHUNK beyond the end of the body of {}", chunk.id));
        }
        self.body.extend_from_slice(data);
        Ok(())
    }

    pub(super) fn finish(self) -> Bytes {
        self.body.freeze()
    }
}
