//! What both ends of inhaul agree on, and every decision that needs no I/O, no clock, no randomness and no async.
//!
//! ```text
//!  event      one webhook as received, and the bytes it is stored as
//!  wire       the frames of the session protocol
//!  session    two state machines that speak it: the relay's end and the client's end
//!  filter     which events are meant
//!  signature  how providers sign, and what a check found
//!  retry      when to try again
//!  shell      words of commands that a person copies
//!  colors     whether output has colours
//!  visible    text from outside, made harmless and visible
//! ```

pub mod colors;
pub mod event;
pub mod filter;
pub mod retry;
pub mod session;
pub mod shell;
pub mod signature;
pub mod visible;
pub mod wire;
