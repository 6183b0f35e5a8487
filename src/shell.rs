//! Words of commands that a person copies into a POSIX shell (POSIX.1-2017 §2.2).

/// One word that the shell takes for this text: in single quotes, unless it is plain. What a terminal does not show as it is stays in it.
pub fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_plain_and_others_are_quoted() {
        for (text, word) in [
            ("http://localhost:3000/a", "http://localhost:3000/a"),
            ("", "''"),
            ("/it's a", r"'/it'\''s a'"),
            ("$HOME `x` \\n", r"'$HOME `x` \n'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
