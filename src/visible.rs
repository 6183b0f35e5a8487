//! Text from outside, made harmless and visible.
