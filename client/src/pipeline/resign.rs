//! A stored event signed anew, as its provider would sign it now.

use bytes::Bytes;
use inhaul_core::{
    event::{Event, Head, UnixMillis},
    signature::{Catalogue, Provider, Secret, SignRequest, Verdict},
};
use serde::{Deserialize, Serialize};

use super::verify::sender_url;
use crate::{config::Route, row::EventRow, sample::letters};

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

/// The event with headers as its provider would send them now. The body stays as it is.
pub(super) fn resigned(
    event: &Event,
    row: &EventRow,
    route: &Route,
    catalogue: &Catalogue,
    same_id: bool,
    now: UnixMillis,
) -> Result<Event, String> {
    let head = event.parsed_head().map_err(|error| error.to_string())?;
    let provider = provider_of(row, route, catalogue)
        .ok_or_else(|| "nothing says who signs it: name a provider in its route".to_owned())?;
    let secret = secret_of(row, &route.secrets)
        .ok_or_else(|| format!("no secret of {} is configured to sign it with", provider.name()))?;
    let names = provider.event_names(&head.headers, &event.body);
    let id = names.event_id.map(|id| if same_id { id } else { fresh(&id) });
    let url = sender_url(event, &head);
    let request = SignRequest {
        method: &head.method,
        url: url.as_deref(),
        body: &event.body,
        at: now,
        id: id.as_deref(),
        event_type: names.event_type.as_deref(),
    };
    let signed = provider.sign(&request, secret).map_err(|error| error.to_string())?;
    let mut headers = head.headers;
    headers.retain(|header| !signed.iter().any(|new| new.name.eq_ignore_ascii_case(&header.name)));
    headers.extend(signed);
    let request_line = event.head.windows(2).position(|pair| pair == b"\r\n").map_or(0, |end| end + 2);
    let new_head: Bytes = [&event.head[..request_line], &Head::write_headers(&headers)].concat().into();
    Ok(Event { head: new_head, ..event.clone() })
}

/// The scheme that signed it, else the provider it was recognised by, else that of its route.
fn provider_of(row: &EventRow, route: &Route, catalogue: &Catalogue) -> Option<std::sync::Arc<Provider>> {
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

/// Another id of the same form: a UUID, or random letters behind the same beginning.
fn fresh(id: &str) -> String {
    if id.parse::<uuid::Uuid>().is_ok() {
        return uuid::Builder::from_u128(u128::from_le_bytes(crate::sample::random()))
            .into_uuid()
            .to_string();
    }
    let prefix = id.rfind('_').map_or("", |at| &id[..=at]);
    format!("{prefix}{}", letters(id.len().saturating_sub(prefix.len()).max(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_have_the_form_of_the_old_ones() {
        let uuid = fresh("0f8fad5b-d9cb-469f-a165-70867728950e");
        assert!(uuid.parse::<uuid::Uuid>().is_ok() && uuid != "0f8fad5b-d9cb-469f-a165-70867728950e");
        let message = fresh("msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert!(message.starts_with("msg_") && message.len() == 28, "{message}");
        assert_ne!(message, "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(fresh("7").len(), 16);
    }
}
