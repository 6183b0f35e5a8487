//! Keys typed into the state, and the screens that come of them.
