//! raw heads
