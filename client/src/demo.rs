//! A minute with inhaul: a sender that signs, a handler that does what a handler should, and the story they play.
//!
//! ```text
//!  handler  verifies, answers at once, works from a queue, does each event once
//!  story    the scenes, in order, and what is said about them
//! ```

mod handler;
mod story;

pub use handler::Handler;
pub use story::{Cast, Pace, StoryError, play};
