//! Any text as XML: laid out or refused; what is laid out differs in white space only, and laid out again it stays.

use inhaul::output::xml;

/// Longest layout that is laid out once more.
const AGAIN_MAX_BYTES: usize = 64 * 1024;

fn without_blanks(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let laid_out = match xml::lay_out(text) {
        Ok(laid_out) => laid_out,
        Err(error) => {
            assert!(error.to_string().starts_with("no well-formed XML, line "), "{error}");
            return;
        }
    };
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    assert_eq!(without_blanks(&laid_out), without_blanks(bare), "{text:?} became {laid_out:?}");
    // Indents are bounded, so a layout is not much longer than 64 letters a tag.
    assert!(laid_out.len() <= text.len() * 70 + 70, "{} bytes became {}", text.len(), laid_out.len());
    if laid_out.len() <= AGAIN_MAX_BYTES {
        assert_eq!(xml::lay_out(&laid_out).as_ref(), Ok(&laid_out), "{text:?}");
    }
}
