//! XML with each element on a line of its own. Every tag and text is the sender's: nothing is decoded, and no entity is expanded.

use quick_xml::{Reader, events::Event};
use thiserror::Error;

/// Deepest level of an element.
const DEPTH_MAX: usize = 1000;

/// Deepest level that is drawn further to the right than the one before.
pub(super) const INDENT_MAX: usize = 32;

/// Why a text is no well-formed XML.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("no well-formed XML, line {line}, column {column}: {message}")]
pub struct XmlError {
    line: usize,
    column: usize,
    message: String,
}

/// Whether a body is meant to be XML: its type says so, or it begins as XML does.
pub fn is_meant(content_type: Option<&str>, text: &str) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.ends_with("/xml") || essence.ends_with("+xml") || text.trim_start().starts_with("<?xml")
}

/// The text with other white space between its elements.
///
/// # Errors
/// With the place of the first thing that is wrong.
pub fn lay_out(text: &str) -> Result<String, XmlError> {
    // A byte order mark is no part of the document.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut page = Page { out: String::with_capacity(text.len() * 2), ..Page::default() };
    let mut root_seen = false;
    loop {
        let start = at(reader.buffer_position());
        let event = reader.read_event();
        let error = |place: usize, message: &str| XmlError::new(text, place, message);
        let event = event.map_err(|wrong| error(at(reader.error_position()), &wrong.to_string()))?;
        let part = text.get(start..at(reader.buffer_position())).unwrap_or_default();
        let is_outside = page.depth == 0;
        match event {
            Event::Start(tag) | Event::Empty(tag) if is_outside && root_seen => {
                return Err(error(start, &format!("{} is a second outermost element", &*tag)));
            }
            Event::Start(tag) => {
                attributes(&tag).map_err(|wrong| error(start, &wrong))?;
                root_seen = true;
                page.open(part);
                if page.depth > DEPTH_MAX {
                    return Err(error(start, "elements are more than 1000 deep in each other"));
                }
            }
            Event::Empty(tag) => {
                attributes(&tag).map_err(|wrong| error(start, &wrong))?;
                root_seen = true;
                page.line(part);
            }
            Event::End(_) => page.close(part),
            Event::Text(_) | Event::GeneralRef(_) | Event::CData(_) => {
                if is_outside && !part.trim().is_empty() {
                    return Err(error(start, "text outside of the outermost element"));
                }
                page.text.push_str(part);
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => page.line(part),
            Event::Eof if !is_outside => return Err(error(text.len(), "an element is not closed")),
            Event::Eof if !root_seen => return Err(error(text.len(), "there is no element")),
            Event::Eof => return Ok(page.out),
        }
    }
}

fn at(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn attributes(tag: &quick_xml::events::BytesStart<'_>) -> Result<(), String> {
    tag.attributes().find_map(Result::err).map_or(Ok(()), |wrong| Err(wrong.to_string()))
}

impl XmlError {
    fn new(text: &str, place: usize, message: &str) -> Self {
        let place = place.min(text.len());
        let before = text.get(..place).unwrap_or(text);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line: before.matches('\n').count() + 1, column, message: message.to_owned() }
    }
}

#[derive(Default)]
struct Page {
    out: String,
    /// What stands between the last tag and the next.
    text: String,
    depth: usize,
    /// The last tag opened an element, so that a text and its end may stand beside it.
    is_beside: bool,
}

impl Page {
    /// Begins a line.
    fn line(&mut self, part: &str) {
        self.write_text();
        self.begin(self.depth);
        self.out.push_str(part);
    }

    fn open(&mut self, tag: &str) {
        self.line(tag);
        self.depth += 1;
        self.is_beside = true;
    }

    fn close(&mut self, tag: &str) {
        let is_beside = self.is_beside;
        if is_beside {
            self.out.push_str(self.text.trim());
            self.text.clear();
        } else {
            self.write_text();
        }
        self.depth = self.depth.saturating_sub(1);
        if !is_beside {
            self.begin(self.depth);
        }
        self.out.push_str(tag);
        self.is_beside = false;
    }

    /// A text that has no element for itself stands on a line.
    fn write_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        if !text.is_empty() {
            self.begin(self.depth);
            self.out.push_str(text);
        }
        self.is_beside = false;
    }

    fn begin(&mut self, depth: usize) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(&"  ".repeat(depth.min(INDENT_MAX)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_stand_on_lines_of_their_own_and_nothing_is_decoded() {
        let xml = "\u{feff}<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY e \"boom\">]>\n<a x='1' y=\"&e;\"><!-- c --><b>1 &amp; &e; 2</b>\
                   <c/>  mixed <d> <![CDATA[<raw>]]></d><e>\n</e></a>\n";
        let expected = r#"<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY e "boom">]>
<a x='1' y="&e;">
  <!-- c -->
  <b>1 &amp; &e; 2</b>
  <c/>
  mixed
  <d><![CDATA[<raw>]]></d>
  <e></e>
</a>"#;
        assert_eq!(lay_out(xml).unwrap(), expected);
        assert_eq!(lay_out(expected).unwrap(), expected);
    }

    #[test]
    fn what_is_not_well_formed_is_said_with_its_place() {
        for (xml, message) in [
            ("<a>\n  <b></c>\n</a>", "line 2, column 6"),
            ("<a>\n<b>", "line 2, column 4: an element is not closed"),
            ("<a/><b/>", "line 1, column 5: b is a second outermost element"),
            ("<a/>x", "line 1, column 5: text outside"),
            ("", "line 1, column 1: there is no element"),
            ("<é><b c=\"1\" c=\"2\"/></é>", "line 1, column 4"),
            ("<a", "line 1, column"),
            ("</a>", "line 1, column 1"),
        ] {
            let error = lay_out(xml).unwrap_err().to_string();
            assert!(error.contains(message), "{xml}: {error}");
        }
        let deep = "<a>".repeat(DEPTH_MAX + 1);
        assert!(lay_out(&deep).unwrap_err().to_string().contains("1000 deep"));
        let nested = format!("{}{}", "<a>".repeat(DEPTH_MAX), "</a>".repeat(DEPTH_MAX));
        let laid_out = lay_out(&nested).unwrap();
        assert!(laid_out.lines().all(|line| line.len() <= 2 * INDENT_MAX + 7), "depth costs no width");
    }

    #[test]
    fn xml_is_told_by_its_type_or_its_beginning() {
        for (content_type, text, is_xml) in [
            (Some("application/xml; charset=utf-8"), "", true),
            (Some("Application/SOAP+XML"), "", true),
            (Some("text/plain"), " <?xml version='1.0'?><a/>", true),
            (Some("text/html"), "<html>", false),
            (None, "<a/>", false),
        ] {
            assert_eq!(is_meant(content_type, text), is_xml, "{content_type:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_laid_out_or_refused(xml in "[<>/!?\\[\\]&;a='\" \n-]{0,40}") {
            if let Ok(laid_out) = lay_out(&xml) {
                let bare = |text: &str| text.split_whitespace().collect::<String>();
                prop_assert_eq!(bare(&laid_out), bare(&xml), "only white space differs");
            }
        }
    }
}
