//! The durable log under inhaul.
