//! The vectors of every provider, edited at will: every request has a verdict, and soon.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use inhaul_core::{
    event::{Header, UnixMillis},
    signature::{Delivery, Secret, catalogue, challenge},
};
use serde_json::Value;

/// What is done to one part of a request.
#[derive(Arbitrary, Debug)]
enum Edit {
    Set { part: u8, at: u16, byte: u8 },
    Insert { part: u8, at: u16, bytes: Vec<u8> },
    Cut { part: u8, at: u16, count: u16 },
    Repeat { part: u8, at: u16, count: u8, times: u16 },
    Replace { part: u8, bytes: Vec<u8> },
    Again { header: u8 },
}

#[derive(Arbitrary, Debug)]
struct Input {
    vector: u16,
    provider: Option<u16>,
    late_seconds: i32,
    edits: Vec<Edit>,
}

static VECTORS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let read = |text| serde_json::from_str::<Vec<Value>>(text).expect("vectors are JSON");
    let mut vectors = read(include_str!("../../assets/signature-vectors/hmac.json"));
    vectors.extend(read(include_str!("../../assets/signature-vectors/public.json")));
    vectors
});

/// Longest a part grows to.
const PART_MAX_BYTES: usize = 64 * 1024;

fn text(vector: &Value, name: &str) -> Vec<u8> {
    vector[name].as_str().unwrap_or_default().as_bytes().to_vec()
}

fn texts(value: &Value) -> Vec<Vec<u8>> {
    let one = |value: &Value| value.as_str().unwrap_or_default().as_bytes().to_vec();
    value.as_array().map_or_else(|| vec![one(value)], |all| all.iter().map(one).collect())
}

/// Does an edit to the part it names: 0 the body, 1 the URL, 2 the secret, then the headers' values.
fn edit(parts: &mut [Vec<u8>], edit: &Edit) {
    let count = parts.len();
    let (Edit::Set { part, .. }
    | Edit::Insert { part, .. }
    | Edit::Cut { part, .. }
    | Edit::Repeat { part, .. }
    | Edit::Replace { part, .. }
    | Edit::Again { header: part }) = edit;
    let part = &mut parts[usize::from(*part) % count];
    let within = |at: u16, part: &[u8]| usize::from(at) % (part.len() + 1);
    match edit {
        Edit::Set { at, byte, .. } => {
            let at = within(*at, part);
            if let Some(old) = part.get_mut(at) {
                *old = *byte;
            }
        }
        Edit::Insert { at, bytes, .. } => {
            let at = within(*at, part);
            part.splice(at..at, bytes.iter().copied());
        }
        Edit::Cut { at, count, .. } => {
            let at = within(*at, part);
            let end = (at + usize::from(*count)).min(part.len());
            part.drain(at..end);
        }
        Edit::Repeat { at, count, times, .. } => {
            let at = within(*at, part);
            let end = (at + usize::from(*count)).min(part.len());
            let again = part[at..end].repeat(usize::from(*times));
            part.splice(at..at, again);
        }
        Edit::Replace { bytes, .. } => part.clone_from(bytes),
        Edit::Again { .. } => {}
    }
    part.truncate(PART_MAX_BYTES);
}

pub(crate) fn check(bytes: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let vector = &VECTORS[usize::from(input.vector) % VECTORS.len()];
    let mut names = Vec::new();
    let mut parts = vec![text(vector, "body"), text(vector, "url"), texts(&vector["secret"]).remove(0)];
    for (name, values) in vector["headers"].as_object().into_iter().flatten() {
        for value in texts(values) {
            names.push(name.clone());
            parts.push(value);
        }
    }
    for change in &input.edits {
        edit(&mut parts, change);
        if let Edit::Again { header } = change
            && !names.is_empty()
            && names.len() < 100
        {
            let at = usize::from(*header) % names.len();
            names.push(names[at].clone());
            parts.push(parts[at + 3].clone());
        }
    }
    let (body, url) = (&parts[0], String::from_utf8_lossy(&parts[1]));
    let secrets = [Secret::new("s", String::from_utf8_lossy(&parts[2]))];
    let headers = names.iter().zip(&parts[3..]);
    let headers: Vec<Header> = headers
        .map(|(name, value)| Header { name: name.clone().into(), value: value.clone().into() })
        .collect();
    let now = vector["now"].as_f64().unwrap_or_default() as i64 + i64::from(input.late_seconds);
    let received_at = UnixMillis(u64::try_from(now).unwrap_or_default().saturating_mul(1000));
    let delivery = Delivery { method: b"POST", url: Some(&url), headers: &headers, body, received_at };
    let all: Vec<_> = catalogue().providers().collect();
    let provider = match input.provider {
        Some(other) => std::sync::Arc::clone(all[usize::from(other) % all.len()]),
        None => catalogue().provider(vector["provider"].as_str().unwrap_or_default()).expect("it is known"),
    };
    let verdict = provider.verify(&delivery, &secrets);
    assert!(!format!("{verdict:?}").contains("PRIVATE KEY"));
    provider.event_names(&headers, body);
    provider.needs_raw_body(body);
    if let Some(asked) = challenge(&delivery) {
        asked.answer(&delivery, &secrets);
    }
}
