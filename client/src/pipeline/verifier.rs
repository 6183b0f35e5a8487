//! Stored events checked anew, with the secrets as they are configured now.

use std::sync::{Arc, OnceLock};

use inhaul_core::{
    event::{Event, EventId, Head, UnixMillis},
    signature::{Delivery, Digests, SignRequest, Verdict},
};

use super::{
    place::place_stored,
    verify::{full_url, sender_url},
};
use crate::{
    config::{Route, Routes, SecretSource},
    control::{Reach, ToSign},
    history::History,
    row::EventRow,
};

/// Checks stored events anew. A clone is another handle of the same.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// Where the events are.
    pub history: History,
    /// What they are verified with.
    pub routes: Arc<Routes>,
    /// Where secrets are read anew.
    pub secret_source: SecretSource,
    /// The endpoint's URL, which some signatures are over, once it is known.
    pub reach: Arc<OnceLock<Reach>>,
}

impl Verifier {
    /// Reads the secrets anew; they count for what comes from now on too.
    ///
    /// # Errors
    /// With a sentence for a person; the secrets stay as they are then.
    pub async fn reread(&self) -> Result<(), String> {
        let (source, routes) = (self.secret_source.clone(), Arc::clone(&self.routes));
        let read = tokio::task::spawn_blocking(move || source.reread(&routes)).await;
        read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Checks an event, and puts the verdict on record.
    ///
    /// # Errors
    /// With a sentence for a person: there is no such event, no secret to check it with, or it could not be written.
    pub async fn verify(&self, id: EventId) -> Result<EventRow, String> {
        let found = self.history.event(id).await.map_err(|error| error.to_string())?;
        let (event, row) = found.ok_or_else(|| format!("there is no event {id}"))?;
        match self.verdict(&event, &row).ok_or("its bytes are no request")? {
            // What an earlier run found out with a secret is worth more.
            Verdict::NoSecret { provider } => Err(format!(
                "no secret of {provider} is configured: name one with `--secret-env` or `--secret-file`, or in a route of inhaul.toml"
            )),
            verdict @ (Verdict::Valid { .. }
            | Verdict::Invalid { .. }
            | Verdict::Stale { .. }
            | Verdict::Unsigned) => {
                self.history.set_verdict(id, verdict).await.map_err(|error| error.to_string())
            }
        }
    }

    /// The verdict by the endpoint's URL, where that is known; when it is not valid, by the one its sender most likely used, as for an event
    /// that came by another relay.
    fn verdict(&self, event: &Event, row: &EventRow) -> Option<Verdict> {
        let by = |url: Option<&str>| place_stored(&self.routes, event, row, url).recognised.verdict;
        match self.reach.get().map(|reach| by(Some(&reach.endpoint_url))) {
            Some(Some(verdict @ Verdict::Valid { .. })) => Some(verdict),
            Some(first) => match by(None) {
                Some(verdict @ Verdict::Valid { .. }) => Some(verdict),
                Some(_) | None => first,
            },
            None => by(None),
        }
    }

    /// The signature of an event that is not valid, beside what the secrets of now would have made.
    pub fn digests(&self, event: &Event, row: &EventRow) -> Option<Digests> {
        let Some(Verdict::Invalid { scheme, .. }) = &row.verdict else { return None };
        let provider = self.routes.catalogue().provider(scheme)?;
        let head = event.parsed_head().ok()?;
        let url = self.url(event, &head);
        let delivery = Delivery::of_event(event, &head, url.as_deref());
        let endpoint_url = self.reach.get().map(|reach| reach.endpoint_url.as_str());
        let route = place_stored(&self.routes, event, row, endpoint_url).route;
        provider.digests(scheme, &delivery, &route.secrets.now())
    }

    /// The header lines that sign a sample event: with the first secret of the route that takes it, else of one of its provider.
    ///
    /// # Errors
    /// With a sentence for a person: there is no such provider or secret, or it cannot sign this.
    pub fn sign(
        &self,
        sample: &ToSign,
        body: &[u8],
        at: UnixMillis,
    ) -> Result<Vec<(String, String)>, String> {
        let provider = self.routes.catalogue().provider(&sample.provider);
        let provider = provider.ok_or_else(|| {
            format!("the running client knows no provider {:?}: stop and start it", sample.provider)
        })?;
        let is_of_provider =
            |route: &&Route| route.provider.as_ref().is_some_and(|known| known.id() == provider.id());
        let taking = self.routes.fitting(sample.path.as_bytes()).map(|(_, route)| route);
        let mut secrets = taking
            .filter(|route| route.provider.is_none() || is_of_provider(route))
            .chain(self.routes.iter().filter(is_of_provider))
            .filter_map(|route| route.secrets.now().first().cloned());
        let secret = secrets.next().ok_or_else(|| {
            format!("the running client has no secret to sign {}'s events with", provider.name())
        })?;
        let request = SignRequest {
            method: b"POST",
            url: Some(&sample.url),
            body,
            at,
            id: sample.id.as_deref(),
            event_type: Some(&sample.event_type),
        };
        let signed = provider.sign(&request, &secret).map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(signed.iter().map(|header| (text(&header.name), text(&header.value))).collect())
    }

    fn url(&self, event: &Event, head: &Head) -> Option<String> {
        let known = self.reach.get().and_then(|reach| full_url(event, head, &reach.endpoint_url));
        known.or_else(|| sender_url(event, head))
    }
}

#[cfg(test)]
impl Verifier {
    /// One with one route, for tests of others.
    pub(crate) fn without_secrets(history: &History) -> Self {
        Self {
            history: history.clone(),
            routes: Routes::new(crate::config::Route::catch_all(), Vec::new()).into(),
            secret_source: SecretSource::default(),
            reach: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use inhaul_core::{
        event::UnixMillis,
        signature::{Secret, SignRequest, catalogue},
    };

    use super::*;
    use crate::{
        config::Route,
        history::{
            Facts, Stored,
            tests::{World, sample_event},
        },
    };

    /// An event as GitHub signs it with the secret `right`.
    fn signed() -> Event {
        let body = b"{\"zen\":\"keep it logically awesome\"}";
        let event = sample_event(1, body);
        let request =
            SignRequest { method: b"POST", url: None, body, at: UnixMillis(0), id: None, event_type: None };
        let headers =
            catalogue().provider("github").unwrap().sign(&request, &Secret::new("s", "right")).unwrap();
        let mut head = b"POST /in/orders-1/hook HTTP/1.1\r\n".to_vec();
        head.extend(Head::write_headers(&headers));
        Event { head: head.into(), ..event }
    }

    fn verifier(history: &History, secrets: &[&str]) -> Verifier {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new("file", *secret)).collect();
        let route = Route { secrets: secrets.into(), ..Route::catch_all() };
        Verifier {
            history: history.clone(),
            routes: Routes::new(route, Vec::new()).into(),
            secret_source: SecretSource::default(),
            reach: Arc::default(),
        }
    }

    #[tokio::test]
    async fn the_verdict_on_record_is_the_one_of_the_secrets_of_now() {
        let world = World::new();
        let history = world.open_well();
        let Stored::New(row) = history.store(signed(), Facts::default()).await.unwrap() else { panic!() };
        let wrong = verifier(&history, &["wrong"]).verify(row.id).await.unwrap();
        assert!(
            matches!(&wrong.verdict, Some(Verdict::Invalid { code, .. }) if code == "mismatch"),
            "{wrong:?}"
        );
        let right = verifier(&history, &["wrong", "right"]).verify(row.id).await.unwrap();
        assert!(matches!(right.verdict, Some(Verdict::Valid { .. })), "{right:?}");
        assert_eq!(history.rows(None, 9).await.unwrap(), std::slice::from_ref(&right));
        // Without a secret nothing can be found out, and what was found out before stays.
        let reason = verifier(&history, &[]).verify(row.id).await.unwrap_err();
        assert!(reason.contains("no secret of github is configured"), "{reason}");
        assert_eq!(history.rows(None, 9).await.unwrap(), [right]);
        let unknown = verifier(&history, &["right"]).verify(sample_event(9, b"").id).await.unwrap_err();
        assert!(unknown.contains("there is no event"), "{unknown}");
    }

    #[tokio::test]
    async fn a_wrong_signature_is_told_beside_what_each_secret_makes() {
        let world = World::new();
        let history = world.open_well();
        let Stored::New(row) = history.store(signed(), Facts::default()).await.unwrap() else { panic!() };
        let wrong = verifier(&history, &["wrong"]);
        let row = wrong.verify(row.id).await.unwrap();
        let with = |verifier: &Verifier| verifier.digests(&signed(), &row).unwrap();
        let found = with(&wrong);
        assert_eq!((found.received.len(), found.expected.len()), (1, 1));
        assert_ne!(found.received[0], found.expected[0].digest);
        let both = with(&verifier(&history, &["wrong", "right"]));
        assert_eq!(both.expected[1].digest, both.received[0]);
        let valid = verifier(&history, &["right"]).verify(row.id).await.unwrap();
        assert!(wrong.digests(&signed(), &valid).is_none(), "there is nothing to compare");
    }
}
