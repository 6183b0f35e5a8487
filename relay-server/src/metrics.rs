//! What a relay counts, in the OpenMetrics text format. No label comes from outside but the names of known endpoints.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use inhaul_core::event::EndpointName;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabel {
    endpoint: Name,
}

/// An endpoint's name as a label's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name(EndpointName);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

impl EndpointLabel {
    fn of(endpoint: &EndpointName) -> Self {
        Self { endpoint: Name(endpoint.clone()) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    source: &'static str,
    status_class: &'static str,
}

/// Every figure of one relay.
pub struct Metrics {
    registry: Registry,
    received: Family<EndpointLabel, Counter>,
    received_bytes: Counter,
    stored: Counter,
    refused: Family<ReasonLabel, Counter>,
    answered: Family<AnswerLabel, Counter>,
    store_seconds: Histogram,
    expired: Family<EndpointLabel, Counter>,
    backlog_events: Gauge<u64, AtomicU64>,
    backlog_bytes: Gauge<u64, AtomicU64>,
    clients: Gauge,
    sessions: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("inhaul_relay"),
            received: Family::default(),
            received_bytes: Counter::default(),
            stored: Counter::default(),
            refused: Family::default(),
            answered: Family::default(),
            // From a tenth of a millisecond to 3 s.
            store_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            expired: Family::default(),
            backlog_events: Gauge::default(),
            backlog_bytes: Gauge::default(),
            clients: Gauge::default(),
            sessions: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("events_received", "Webhooks read whole", metrics.received.clone());
        registry.register("received_bytes", "Heads and bodies of webhooks", metrics.received_bytes.clone());
        registry.register("events_stored", "Webhooks on the disk", metrics.stored.clone());
        registry.register("requests_refused", "Webhooks not taken, by reason", metrics.refused.clone());
        registry.register("answers", "Answers to senders, by who made them", metrics.answered.clone());
        registry.register(
            "store_seconds",
            "Time to put a webhook on the disk",
            metrics.store_seconds.clone(),
        );
        registry.register(
            "events_expired",
            "Events dropped because they waited longer than the retention",
            metrics.expired.clone(),
        );
        registry.register(
            "backlog_events",
            "Events no client has stored yet",
            metrics.backlog_events.clone(),
        );
        registry.register("backlog_bytes", "Their heads and bodies", metrics.backlog_bytes.clone());
        registry.register("clients_connected", "Sessions now", metrics.clients.clone());
        registry.register("sessions", "Sessions since the start", metrics.sessions.clone());
        metrics
    }

    /// A webhook was read whole.
    pub fn received(&self, endpoint: &EndpointName, bytes: u64) {
        self.received.get_or_create(&EndpointLabel::of(endpoint)).inc();
        self.received_bytes.inc_by(bytes);
    }

    /// A webhook was put on the disk within this time.
    pub fn stored(&self, took: Duration) {
        self.stored.inc();
        self.store_seconds.observe(took.as_secs_f64());
    }

    /// A webhook was not taken, and its sender told so.
    pub fn refused(&self, reason: &'static str, status: u16) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
        self.answered("relay", status);
    }

    /// A sender was answered by `relay` or `app`.
    pub fn answered(&self, source: &'static str, status: u16) {
        let status_class = match status {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.answered.get_or_create(&AnswerLabel { source, status_class }).inc();
    }

    /// Events were dropped because they waited too long.
    pub fn expired(&self, endpoint: &EndpointName, events: u64) {
        self.expired.get_or_create(&EndpointLabel::of(endpoint)).inc_by(events);
    }

    /// What waits for clients now.
    pub fn backlog(&self, events: u64, bytes: u64) {
        self.backlog_events.set(events);
        self.backlog_bytes.set(bytes);
    }

    /// A session was admitted.
    pub fn client_connected(&self) {
        self.clients.inc();
        self.sessions.inc();
    }

    /// A session ended.
    pub fn client_disconnected(&self) {
        self.clients.dec();
    }

    /// Everything as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_in_the_text() {
        let metrics = Metrics::new();
        metrics.received(&"orders".parse().unwrap(), 10);
        metrics.refused("rate", 429);
        metrics.answered("app", 204);
        metrics.expired(&"orders".parse().unwrap(), 7);
        metrics.backlog(3, 900);
        metrics.client_connected();
        let text = metrics.text();
        for line in [
            "inhaul_relay_events_received_total{endpoint=\"orders\"} 1",
            "inhaul_relay_requests_refused_total{reason=\"rate\"} 1",
            "inhaul_relay_answers_total{source=\"app\",status_class=\"2xx\"} 1",
            "inhaul_relay_answers_total{source=\"relay\",status_class=\"4xx\"} 1",
            "inhaul_relay_events_expired_total{endpoint=\"orders\"} 7",
            "inhaul_relay_backlog_events 3",
            "inhaul_relay_clients_connected 1",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
