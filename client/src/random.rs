//! Chance, for waits that should not be in step.

/// Any number, all equally likely.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without random bytes a wait is the shortest there is, which is as good as any.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_be_bytes(bytes)
}
