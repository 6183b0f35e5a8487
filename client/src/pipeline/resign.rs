//! Who signs a stored event, and what with.

use std::sync::Arc;

use inhaul_core::signature::{Catalogue, Provider, Secret, Verdict};
use serde::{Deserialize, Serialize};

use crate::{
    config::Route,
    draft::{Changes, Draft, IdChange, Sign, Signer},
    row::EventRow,
};

/// How an event that is sent again is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// As it was received.
    #[default]
    AsReceived,
    /// Anew, with the time of now and, where the provider sends the event's id in a header, a fresh id.
    Anew,
    /// Anew, with the time of now and the id it has.
    AnewWithSameId,
}

impl From<Signing> for Draft {
    fn from(signing: Signing) -> Self {
        let (sign, id) = match signing {
            Signing::AsReceived => (Sign::Keep, IdChange::Keep),
            Signing::Anew => (Sign::Fresh, IdChange::NewInHeader),
            Signing::AnewWithSameId => (Sign::Fresh, IdChange::Keep),
        };
        Self { body: None, changes: Changes { sign, id, ..Changes::default() } }
    }
}

/// Who signs an event, and a secret of theirs, as far as both are known.
pub(super) fn signer(row: &EventRow, route: &Route, catalogue: &Catalogue) -> Signer {
    Signer {
        provider: provider_of(row, route, catalogue),
        secret: secret_of(row, &route.secrets.now()).cloned(),
    }
}

/// The scheme that signed it, else the provider it was recognised by, else that of its route.
fn provider_of(row: &EventRow, route: &Route, catalogue: &Catalogue) -> Option<Arc<Provider>> {
    let scheme = match &row.verdict {
        Some(
            Verdict::Valid { scheme, .. } | Verdict::Stale { scheme, .. } | Verdict::Invalid { scheme, .. },
        ) => catalogue.provider(scheme),
        Some(Verdict::NoSecret { .. } | Verdict::Unsigned) | None => None,
    };
    scheme.or_else(|| catalogue.provider(row.provider.as_deref()?)).or_else(|| route.provider.clone())
}

/// The secret that matched, else the first.
fn secret_of<'s>(row: &EventRow, secrets: &'s [Secret]) -> Option<&'s Secret> {
    let matched = match &row.verdict {
        Some(Verdict::Valid { secret, .. }) => secrets.iter().find(|known| known.label() == secret),
        Some(
            Verdict::Stale { .. } | Verdict::Invalid { .. } | Verdict::NoSecret { .. } | Verdict::Unsigned,
        )
        | None => None,
    };
    matched.or_else(|| secrets.first())
}
