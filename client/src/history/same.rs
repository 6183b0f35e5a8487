//! Which stored events are deliveries of the same thing: senders repeat what they think was not received, some repeat more.
//!
//! They are the same when the provider gave them the same id, and without an id when request and body are equal. An event with neither id
//! nor body is like no other.

use std::{fs, io, path::Path};

use inhaul_core::event::Event;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::data_dir::{read_small_file, write_private_file};

/// What deliveries of the same thing have in common: the beginning of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct SameKey(#[serde(with = "hex::serde")] pub(super) [u8; 16]);

impl SameKey {
    /// The key of an event; nothing when there is nothing to tell by, or it was not delivered.
    pub(super) fn of(event: &Event, facts: &Facts) -> Option<Self> {
        if facts.imported {
            return None;
        }
        let endpoint = event.endpoint.as_str().as_bytes();
        match &facts.provider_event_id {
            Some(id) => {
                let provider = facts.provider.as_deref().unwrap_or_default();
                Some(Self::digest(&[b"id", endpoint, provider.as_bytes(), id.as_bytes()]))
            }
            None if event.body.is_empty() => None,
            None => {
                let head = event.parsed_head().ok()?;
                let target = event.app_target(&head);
                Some(Self::digest(&[b"body", endpoint, &head.method, &target, &event.body_sha256]))
            }
        }
    }

    /// The key of the object an event is about; nothing when the provider names none.
    pub(super) fn of_object(event: &Event, facts: &Facts) -> Option<Self> {
        let provider = facts.provider.as_deref().unwrap_or_default();
        let object = facts.object_id.as_deref()?;
        let endpoint = event.endpoint.as_str().as_bytes();
        Some(Self::digest(&[b"object", endpoint, provider.as_bytes(), object.as_bytes()]))
    }

    /// Each part with its length, so that no two lists of parts are the same bytes.
    fn digest(parts: &[&[u8]]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        let [key @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = Event::digest(&bytes);
        Self(key)
    }

    fn beginning(self) -> u64 {
        let [beginning @ .., _, _, _, _, _, _, _, _] = self.0;
        u64::from_be_bytes(beginning)
    }
}

/// Beginnings of the keys of a period that is over, so that hardly any look-up has to open it. Eight bytes an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet(Vec<u64>);

/// The file of a [`KeySet`]: the beginnings in order, big endian, and the SHA-256 of these bytes.
const NAME: &str = "same.keys";
/// Eight million events, far more than a period holds.
const MAX_BYTES: u64 = 64 << 20;
const DIGEST_BYTES: usize = 32;

impl KeySet {
    pub(super) fn new(keys: impl IntoIterator<Item = SameKey>) -> Self {
        let mut beginnings: Vec<u64> = keys.into_iter().map(SameKey::beginning).collect();
        beginnings.sort_unstable();
        beginnings.dedup();
        Self(beginnings)
    }

    /// Whether the key may be one of them; false is certain.
    pub(super) fn may_hold(&self, key: SameKey) -> bool {
        self.0.binary_search(&key.beginning()).is_ok()
    }

    /// Reads the file of a period; nothing when there is none that is whole.
    pub(super) fn read(period: &Path) -> Option<Self> {
        let bytes = read_small_file(&period.join(NAME), MAX_BYTES).ok()?;
        let (beginnings, digest) = bytes.split_last_chunk::<DIGEST_BYTES>()?;
        let (chunks, rest) = beginnings.as_chunks::<8>();
        let whole = rest.is_empty() && Event::digest(beginnings) == *digest;
        whole.then(|| Self(chunks.iter().copied().map(u64::from_be_bytes).collect()))
    }

    /// Writes the file of a period; without it the period is opened once more at the next start.
    pub(super) fn write(&self, period: &Path) {
        let mut bytes: Vec<u8> = self.0.iter().flat_map(|beginning| beginning.to_be_bytes()).collect();
        bytes.extend_from_slice(&Event::digest(&bytes));
        let path = period.join(NAME);
        if let Err(error) = write_private_file(&path, &bytes) {
            tracing::debug!(%error, "no keys of a period");
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::debug!(%error, "an unfinished file of keys stays; it will not be believed");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::sample_event;

    fn with_id(id: &str) -> Facts {
        Facts { provider: Some("stripe".into()), provider_event_id: Some(id.into()), ..Facts::default() }
    }

    #[test]
    fn the_same_id_or_else_the_same_request_is_the_same() {
        let (one, other) = (sample_event(1, b"a"), sample_event(1, b"b"));
        assert_eq!(SameKey::of(&one, &with_id("evt_1")), SameKey::of(&other, &with_id("evt_1")));
        assert_ne!(SameKey::of(&one, &with_id("evt_1")), SameKey::of(&one, &with_id("evt_2")));
        let of_another = Facts { provider: Some("github".into()), ..with_id("evt_1") };
        assert_ne!(SameKey::of(&one, &with_id("evt_1")), SameKey::of(&one, &of_another));
        let none = Facts::default();
        assert_eq!(SameKey::of(&one, &none), SameKey::of(&one.clone(), &none));
        assert_ne!(SameKey::of(&one, &none), SameKey::of(&other, &none));
        let elsewhere = sample_event(2, b"a");
        assert_ne!(SameKey::of(&one, &none), SameKey::of(&elsewhere, &none), "another query");
        assert_eq!(SameKey::of(&sample_event(1, b""), &none), None);
    }

    #[test]
    fn keys_are_read_as_written_and_damage_is_not_believed() {
        let period = tempfile::tempdir().unwrap();
        assert_eq!(KeySet::read(period.path()), None);
        let keys: Vec<SameKey> =
            (0..100).filter_map(|n| SameKey::of(&sample_event(n, b"x"), &Facts::default())).collect();
        let set = KeySet::new(keys.iter().copied());
        set.write(period.path());
        assert_eq!(KeySet::read(period.path()), Some(set.clone()));
        assert!(keys.iter().all(|key| set.may_hold(*key)));
        assert!(!set.may_hold(SameKey([7; 16])));
        let path = period.path().join(NAME);
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[1..], &bytes[..bytes.len() - 8], &[&[0; 8], &bytes[..]].concat(), b""] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(KeySet::read(period.path()), None);
        }
    }
}
