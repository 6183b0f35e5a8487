//! A jq program: read, and run on one body.

use std::{io, ops::Range, thread};

use jaq_core::{
    Compiler, Ctx, Filter, Vars,
    data::JustLut,
    load::{self, Arena, File, Loader},
};
use jaq_json::{
    Val, read,
    write::{Pp, write},
};

use super::{Answer, PROGRAM_MAX_BYTES, ProgramError};

/// Stack for reading a program: the longest one, nested with every letter, needs a part of it.
pub(super) const STACK_BYTES: usize = 256 << 20;

/// Whether a text is a program.
///
/// # Errors
/// With the place of the first thing that is wrong.
pub(crate) fn check(program: &str) -> Result<(), ProgramError> {
    let text = program.to_owned();
    let checking = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || compile(&text).map(drop));
    let checked = checking.map(thread::JoinHandle::join);
    checked.ok().and_then(Result::ok).unwrap_or_else(|| {
        Err(ProgramError { span: 0..program.len(), message: "it cannot be read now".to_owned() })
    })
}

/// Reads a program.
///
/// # Errors
/// With the place of the first thing that is wrong.
pub(super) fn compile(program: &str) -> Result<Filter<JustLut<Val>>, ProgramError> {
    if program.len() > PROGRAM_MAX_BYTES {
        let message = format!("a program has at most {PROGRAM_MAX_BYTES} bytes");
        return Err(ProgramError { span: PROGRAM_MAX_BYTES..program.len(), message });
    }
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    // An empty program returns what it is given, as everywhere.
    let code = if program.trim().is_empty() { "." } else { program };
    let loaded = Loader::new(defs).load(&arena, File { code, path: () });
    let modules =
        loaded.map_err(|errors| first(program, errors.iter().map(|(file, error)| at(file.code, error))))?;
    Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
        let all = errors.iter().flat_map(|(file, errors)| errors.iter().map(|error| (file.code, error)));
        first(
            program,
            all.map(|(code, (name, kind))| {
                (load::span(code, name), format!("there is no {} {name:?}", kind.as_str()))
            }),
        )
    })
}

fn first(program: &str, mut errors: impl Iterator<Item = (Range<usize>, String)>) -> ProgramError {
    let (span, message) = errors.next().unwrap_or((0..program.len(), "it is no program".to_owned()));
    ProgramError { span: span.start.min(program.len())..span.end.min(program.len()), message }
}

/// The first error of reading, and its place.
fn at(code: &str, error: &load::Error<&str>) -> (Range<usize>, String) {
    let found = |text: &str| if text.is_empty() { "the end".to_owned() } else { format!("{text:?}") };
    let told = match error {
        load::Error::Io(errors) => {
            errors.first().map(|(path, _)| (load::span(code, path), "modules are not read".to_owned()))
        }
        load::Error::Lex(errors) => errors.first().map(|(expected, rest)| {
            let span = load::span(code, rest);
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let message = format!("expected {}, found {}", expected.as_str(), found(&rest[..first]));
            (span.start..span.start + first, message)
        }),
        load::Error::Parse(errors) => errors.first().map(|(expected, token)| {
            (load::span(code, token), format!("expected {}, found {}", expected.as_str(), found(token)))
        }),
    };
    told.unwrap_or((0..code.len(), "it is no program".to_owned()))
}

/// Runs a program on a body.
pub(super) fn run(filter: &Filter<JustLut<Val>>, body: &[u8], output_bytes: usize) -> Answer {
    let mut answer = Answer::default();
    let input = match read::parse_single(body) {
        Ok(input) => input,
        Err(error) => return Answer { error: Some(format!("the body is no JSON: {error}")), ..answer },
    };
    let layout = Pp { indent: Some("  ".to_owned()), sep_space: true, ..Pp::default() };
    let ctx = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
    for result in filter.id.run((ctx, input)) {
        let value = match result {
            Ok(value) => value,
            Err(stopped) => {
                answer.error = stopped.get_err().ok().map(|error| error.to_string());
                return answer;
            }
        };
        answer.is_true |= !matches!(value, Val::Null | Val::Bool(false));
        let mut to = Bounded { bytes: &mut answer.output, most: output_bytes };
        if write(&mut to, &layout, 0, &value).and_then(|()| io::Write::write_all(&mut to, b"\n")).is_err() {
            answer.is_cut = true;
            return answer;
        }
    }
    answer
}

/// Takes no more than so many bytes.
struct Bounded<'b> {
    bytes: &'b mut Vec<u8>,
    most: usize,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.most.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(program: &str, body: &str) -> Answer {
        run(&compile(program).unwrap(), body.as_bytes(), 1000)
    }

    #[test]
    fn programs_return_json_and_whether_any_of_it_is_true() {
        for (program, body, output, is_true) in [
            (".a", r#"{"a":1.10}"#, "1.10\n", true),
            ("", "[1]", "[\n  1\n]\n", true),
            (".[]", "[false,null]", "false\nnull\n", false),
            (".[]", "[false,0]", "false\n0\n", true),
            ("empty", "1", "", false),
            (
                ".data | {id, n: (.items | length)}",
                r#"{"data":{"id":"x","items":[1,2]}}"#,
                "{\n  \"id\": \"x\",\n  \"n\": 2\n}\n",
                true,
            ),
            ("test(\"^ab\")", "\"abc\"", "true\n", true),
        ] {
            let answer = ran(program, body);
            assert_eq!(String::from_utf8_lossy(&answer.output), output, "{program}");
            assert_eq!((answer.is_true, answer.error, answer.is_cut), (is_true, None, false), "{program}");
        }
    }

    #[test]
    fn what_goes_wrong_comes_behind_the_results() {
        let answer = ran(".[] | .a", r#"[{"a":1},2]"#);
        assert_eq!(answer.output, b"1\n");
        assert!(answer.error.unwrap().contains("cannot index"));
        assert!(ran(".", "{").error.unwrap().starts_with("the body is no JSON: "));
        let answer = ran("range(1000)", "null");
        assert!(answer.is_cut && answer.output.len() == 1000);
    }

    #[test]
    fn what_is_no_program_is_said_with_its_place() {
        for (program, wrong, message) in [
            (".a | .b]", 7..8, "found \"]\""),
            (".a | ", 5..5, "found the end"),
            ("nothing(1)", 0..7, "there is no filter \"nothing\""),
            ("\"é\" | $x", 7..9, "there is no variable \"$x\""),
            ("import \"a\" as a; .", 8..9, "modules are not read"),
            ("(", 1..1, "closing parenthesis"),
        ] {
            let error = check(program).unwrap_err();
            assert!(error.message.contains(message), "{program}: {error:?}");
            assert_eq!(error.span, wrong, "{program}: {error:?}");
        }
        assert!(check(&".".repeat(PROGRAM_MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn a_program_that_nests_as_deep_as_it_can_is_read() {
        for (open, close) in [("(", ")"), ("[", "]"), ("{a:", "}"), ("-", ""), ("if ", "")] {
            let count = PROGRAM_MAX_BYTES / (open.len() + close.len()) - 1;
            let _ = check(&format!("{}1{}", open.repeat(count), close.repeat(count)));
        }
        let _ = check(&".|".repeat(PROGRAM_MAX_BYTES / 2 - 1));
    }
}
