//! Where a chunked body ends (RFC 9112 §7.1). hyper decodes it; this only counts along.

/// The longest line of a size with its extensions, or of a trailer.
const MAX_LINE_BYTES: usize = 4096;

/// Bytes that are no chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A chunked body being passed on.
#[derive(Debug)]
pub(super) struct Chunked {
    part: Part,
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Size,
    /// Bytes of the chunk, then its CRLF.
    Data(u64),
    DataEnd,
    Trailer,
    Finished,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { part: Part::Size, line: Vec::new() }
    }
}

impl Chunked {
    pub(super) fn is_finished(&self) -> bool {
        self.part == Part::Finished
    }

    /// How many of these bytes belong to the body.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && !self.is_finished() {
            if let Part::Data(left) = self.part {
                let len = usize::try_from(left).map_or(bytes.len() - at, |left| left.min(bytes.len() - at));
                at += len;
                let left = left - len as u64;
                self.part = if left == 0 { Part::DataEnd } else { Part::Data(left) };
                continue;
            }
            self.line.push(bytes[at]);
            at += 1;
            if bytes[at - 1] == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.line_ended(line.strip_suffix(b"\r\n").ok_or(Malformed)?)?;
            } else if self.line.len() > MAX_LINE_BYTES {
                return Err(Malformed);
            }
        }
        Ok(at)
    }

    fn line_ended(&mut self, line: &[u8]) -> Result<(), Malformed> {
        self.part = match self.part {
            Part::Size => match size(line)? {
                0 => Part::Trailer,
                size => Part::Data(size),
            },
            Part::DataEnd if line.is_empty() => Part::Size,
            Part::Trailer if line.is_empty() => Part::Finished,
            Part::Trailer => Part::Trailer,
            Part::DataEnd | Part::Data(_) | Part::Finished => return Err(Malformed),
        };
        Ok(())
    }
}

fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    if digits == 0 || digits > 15 || !(rest.is_empty() || rest[0] == b';') {
        return Err(Malformed);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| Malformed)?;
    u64::from_str_radix(text, 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_the_bytes_are_cut() {
        let body = b"5;x=\"y\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n";
        for cut in 0..body.len() {
            let mut chunked = Chunked::default();
            let all = [body.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(chunked.take(&all[..cut]), Ok(cut));
            assert!(!chunked.is_finished());
            assert_eq!(chunked.take(&all[cut..]), Ok(body.len() - cut));
            assert!(chunked.is_finished());
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for bad in
            ["x\r\n", "5\n", "-1\r\n", "1\r\nab\r\n", " 5\r\n", "5 5\r\n", "ffffffffffffffff\r\n", "\r\n"]
        {
            assert_eq!(Chunked::default().take(bad.as_bytes()), Err(Malformed), "{bad:?}");
        }
    }
}
