//! What is said of jq programs by a client that was built without them.

use super::{Answer, Bounds, ProgramError};

/// Runs nothing.
#[derive(Clone, Default)]
pub(crate) struct Jq(());

impl Jq {
    /// # Errors
    /// Always.
    pub(crate) async fn run(&self, program: &str, _body: &[u8], _bounds: Bounds) -> Result<Answer, String> {
        check(program).map(|()| Answer::default()).map_err(|error| error.message)
    }
}

/// # Errors
/// Always.
pub(crate) fn check(program: &str) -> Result<(), ProgramError> {
    let message = "this inhaul was built without jq (the feature `jq`)".to_owned();
    Err(ProgramError { span: 0..program.len(), message })
}
