//! The frames of the session protocol.
