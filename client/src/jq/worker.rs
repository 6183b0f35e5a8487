//! The process that runs jq programs: it reads requests from its standard input and writes answers to its standard output, until there are
//! no more. It limits its own memory and the time of each request, so that it ends also when nobody is there to end it.
//!
//! ```text
//!  request  program length, body length, output bytes, seconds: u32 each, little-endian; program, body
//!  answer   output length, error length: u32 each; cut, true, failed: a byte each; output, error
//! ```

use std::{
    io::{self, Read, Write},
    thread,
};

use jaq_core::data::JustLut;
use jaq_json::Val;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

use super::{
    Answer, BODY_MAX_BYTES, PROGRAM_MAX_BYTES,
    program::{STACK_BYTES, compile, run},
};

/// Most memory of the process, with its stacks.
const MEMORY_MAX_BYTES: u64 = 1 << 30;

/// Serves requests until there are none.
///
/// # Errors
/// When nobody reads the answers, or what comes is no request.
pub(crate) fn serve() -> io::Result<()> {
    limit(Resource::As, MEMORY_MAX_BYTES);
    // A limit of time is an end by itself, with nothing left on the disk.
    limit(Resource::Core, 0);
    let serving = thread::Builder::new().stack_size(STACK_BYTES).spawn(requests)?;
    serving.join().unwrap_or_else(|_| Err(io::Error::other("a program failed")))
}

fn requests() -> io::Result<()> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let mut last: Option<(String, jaq_core::Filter<JustLut<Val>>)> = None;
    while let Some(request) = Request::read(&mut from)? {
        limit(Resource::Cpu, used_seconds() + u64::from(request.seconds) + 1);
        // Most requests are of the same program as the one before.
        if last.as_ref().is_none_or(|(program, _)| *program != request.program) {
            last = compile(&request.program).ok().map(|filter| (request.program.clone(), filter));
        }
        let answer = match &last {
            Some((_, filter)) => run(filter, &request.body, request.output_bytes as usize),
            None => Answer { error: Some("it is no program".to_owned()), ..Answer::default() },
        };
        write_answer(&mut to, &answer)?;
    }
    Ok(())
}

/// Lowers a limit; what the system does not limit stays to the process that asks.
fn limit(resource: Resource, most: u64) {
    let maximum = getrlimit(resource).maximum;
    let most = maximum.map_or(most, |maximum| most.min(maximum));
    let _ = setrlimit(resource, Rlimit { current: Some(most), maximum });
}

fn used_seconds() -> u64 {
    clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs()
}

struct Request {
    program: String,
    body: Vec<u8>,
    output_bytes: u32,
    seconds: u32,
}

impl Request {
    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut first = [0; 4];
        match from.read_exact(&mut first) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut number = || -> io::Result<u32> {
            let mut bytes = [0; 4];
            from.read_exact(&mut bytes)?;
            Ok(u32::from_le_bytes(bytes))
        };
        let (program, body) = (u32::from_le_bytes(first) as usize, number()? as usize);
        let (output_bytes, seconds) = (number()?, number()?);
        if program > PROGRAM_MAX_BYTES || body > BODY_MAX_BYTES {
            return Err(io::Error::other("the request is too long"));
        }
        let (mut text, mut bytes) = (vec![0; program], vec![0; body]);
        from.read_exact(&mut text)?;
        from.read_exact(&mut bytes)?;
        let program = String::from_utf8(text).map_err(io::Error::other)?;
        Ok(Some(Self { program, body: bytes, output_bytes, seconds }))
    }
}

fn write_answer(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let error = answer.error.as_deref().unwrap_or_default().as_bytes();
    // An error may quote a value of any length.
    let error = &error[..error.len().min(super::ERROR_MAX_BYTES)];
    for length in [answer.output.len(), error.len()] {
        to.write_all(&u32::try_from(length).map_err(io::Error::other)?.to_le_bytes())?;
    }
    to.write_all(&[answer.is_cut, answer.is_true, answer.error.is_some()].map(u8::from))?;
    to.write_all(&answer.output)?;
    to.write_all(error)?;
    to.flush()
}
