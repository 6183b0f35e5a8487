//! Any text as a filter: one or an error within it; its normal form reads back as the same filter; at every place there is a completion
//! within the text, or none.

#![no_main]

use inhaul_core::filter::{Filter, Saved, Seen, complete};
use libfuzzer_sys::fuzz_target;

/// The same values for every field.
struct Account;

impl Seen for Account {
    fn values(&self, _field: &str) -> Vec<(String, u64)> {
        ["charge.failed", "two words", "4xx", "\"", "\\"].map(|value| (value.to_owned(), 1)).into()
    }
}

fuzz_target!(|text: &str| {
    let mut saved = Saved::default();
    for (name, text) in [("slow", "ms>500"), ("bad", "status:5xx OR -@slow"), ("circle", "@circle"), ("wrong", "ms>")] {
        saved.insert(name, text);
    }
    match Filter::parse_with(text, &saved) {
        Ok(filter) => {
            let normal = filter.to_string();
            let again = Filter::parse(&normal);
            assert_eq!(again.as_ref(), Ok(&filter), "{text:?} became {normal:?}");
            assert_eq!(again.map(|again| again.to_string()), Ok(normal));
        }
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error} points to {:?} of {text:?}", error.span);
        }
    }
    let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    for at in places.take(64) {
        let Some(completion) = complete(text, at, &saved, &Account) else { continue };
        assert!(completion.span.end == at && text.get(completion.span.clone()).is_some(), "{completion:?}");
        assert!(!completion.candidates.is_empty());
    }
});
