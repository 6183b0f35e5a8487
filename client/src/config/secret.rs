//! Signing secrets and the token, read once at the start: from files and variables, never from arguments.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use inhaul_core::signature::Secret;

use crate::{
    config::{Environment, Problem},
    data_dir::read_small_file,
};

/// Longest file that is taken for a secret: room for a key in PEM, far from a mistaken `/dev/zero`.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

/// Longest token: relays make them of some 40 characters.
const TOKEN_MAX_BYTES: usize = 512;

/// The token of an endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token itself, for the relay and nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes one line of visible ASCII; anything else is no token, and is not sent to a relay.
    pub(super) fn new(text: String) -> Result<Self, Problem> {
        let fits = !text.is_empty() && text.len() <= TOKEN_MAX_BYTES;
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(Problem::TokenForm)
        }
    }

    /// The token in a file.
    pub(super) fn from_file(path: &Path) -> Result<Self, Problem> {
        Self::new(read_text(path)?)
    }

    /// The token in a variable, if it is set to something.
    pub(super) fn from_variable(name: &str, environment: Environment<'_>) -> Result<Option<Self>, Problem> {
        match environment(name) {
            Some(value) if !value.is_empty() => {
                Self::new(value.into_string().map_err(|_| Problem::VariableNotText(name.to_owned()))?)
                    .map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The secret in a variable, labelled with the variable's name. Taken as it is: a shell's `$(…)` has trimmed it already.
pub(super) fn from_variable(name: &str, environment: Environment<'_>) -> Result<Secret, Problem> {
    let value: OsString = environment(name).ok_or_else(|| Problem::VariableMissing(name.to_owned()))?;
    let text = value.into_string().map_err(|_| Problem::VariableNotText(name.to_owned()))?;
    if text.is_empty() {
        return Err(Problem::VariableEmpty(name.to_owned()));
    }
    Ok(Secret::new(name, text))
}

/// The secret in a file, labelled with the file's path as it was named. One line end at its end is an editor's, not
/// the secret's.
pub(super) fn from_file(path: &Path, named: &Path) -> Result<Secret, Problem> {
    Ok(Secret::new(named.display().to_string(), read_text(path)?))
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let bytes = read_small_file(path, SECRET_MAX_BYTES)
        .map_err(|error| Problem::SecretUnreadable { path: path.to_owned(), error })?;
    let mut text = String::from_utf8(bytes).map_err(|_| Problem::SecretNotText(path.to_owned()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err(Problem::SecretEmpty(PathBuf::from(path))) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_line_end_belongs_to_the_file_and_not_to_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (content, expected) in [
            ("whsec_abc", Some("whsec_abc")),
            ("whsec_abc\n", Some("whsec_abc")),
            ("whsec_abc\r\n", Some("whsec_abc")),
            ("whsec_abc\n\n", Some("whsec_abc\n")),
            (" a b \n", Some(" a b ")),
            ("\n", None),
            ("", None),
        ] {
            fs::write(&path, content).unwrap();
            match expected {
                Some(text) => assert_eq!(read_text(&path).unwrap(), text, "{content:?}"),
                None => assert!(matches!(read_text(&path), Err(Problem::SecretEmpty(_))), "{content:?}"),
            }
        }
    }

    #[test]
    fn what_holds_no_secret_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(matches!(from_file(&path, &path), Err(Problem::SecretUnreadable { .. })));
        fs::write(&path, b"\xff").unwrap();
        assert!(matches!(from_file(&path, &path), Err(Problem::SecretNotText(_))));
        let error = from_file(Path::new("/dev/zero"), &path).unwrap_err().to_string();
        assert_eq!(error, r#""/dev/zero": longer than 65536 bytes"#);
        let environment = |name: &str| (name == "EMPTY").then(OsString::new);
        assert!(matches!(from_variable("EMPTY", &environment), Err(Problem::VariableEmpty(_))));
        assert!(matches!(from_variable("ABSENT", &environment), Err(Problem::VariableMissing(_))));
    }

    #[test]
    fn a_file_that_is_no_token_is_not_sent_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "iht_Ab-9_\n").unwrap();
        assert_eq!(Token::from_file(&path).unwrap().expose(), "iht_Ab-9_");
        for content in ["-----BEGIN KEY-----\nabc\n", "two words", "ä", &"x".repeat(513)] {
            fs::write(&path, content).unwrap();
            let error = Token::from_file(&path).unwrap_err();
            assert!(matches!(error, Problem::TokenForm), "{content}");
        }
        assert_eq!(format!("{:?}", Token("abc".to_owned())), "Token(…)");
    }
}
