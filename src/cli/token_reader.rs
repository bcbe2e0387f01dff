//! Splits standard input into JSON objects, without waiting for its end.

use std::io::Read;

use crate::cli::input::SecretInput;
use crate::cli::token_json::{self, Problem, refused};
use crate::error::Result;
use crate::token::OAuthToken;

/// Reads tokens one by one, each as soon as its object is complete: whoever pipes line after line need not wait for
/// the end.
pub(super) struct TokenReader<R> {
    input: SecretInput<R>,
    /// The line in which what is held begins.
    line: usize,
    has_begun: bool,
}

impl<R: Read> TokenReader<R> {
    pub(super) fn new(input: SecretInput<R>) -> Self {
        Self { input, line: 1, has_begun: false }
    }

    /// The next token, and the line in which it begins; `None` at the end.
    ///
    /// # Errors
    /// `InvalidInput`, naming line and field and never what they hold.
    pub(super) fn next(&mut self) -> Result<Option<(usize, OAuthToken)>> {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.skip_mark()?;
        }
        if !self.skip_blanks()? {
            return Ok(None);
        }
        if self.input.held().first() != Some(&b'{') {
            return Err(refused(self.line, &Problem::NotAnObject));
        }
        let (line, length) = (self.line, self.object_length()?);
        let object = self.input.held().get(..length).unwrap_or_default();
        let token = token_json::parse(object, line)?;
        self.line += object.iter().filter(|byte| **byte == b'\n').count();
        self.input.consume(length);
        Ok(Some((line, token)))
    }

    /// A byte order mark that some programs begin UTF-8 with. RFC 8259, section 8.1, lets readers ignore it.
    fn skip_mark(&mut self) -> Result<()> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        while self.input.held().len() < MARK.len() && MARK.starts_with(self.input.held()) && self.input.read_more()? {}
        if self.input.held().starts_with(MARK) {
            self.input.consume(MARK.len());
        }
        Ok(())
    }

    /// Answers whether anything follows.
    fn skip_blanks(&mut self) -> Result<bool> {
        loop {
            let held = self.input.held();
            let blanks = held.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.line += held.iter().take(blanks).filter(|byte| **byte == b'\n').count();
            self.input.consume(blanks);
            if !self.input.held().is_empty() {
                return Ok(true);
            }
            if !self.input.read_more()? {
                return Ok(false);
            }
        }
    }

    /// How long the object is that begins here. Finds its end without parsing it, so that a long object that arrives
    /// in small pieces is looked at once.
    fn object_length(&mut self) -> Result<usize> {
        let (mut end, mut length) = (ObjectEnd::default(), 0);
        loop {
            for byte in self.input.held().iter().skip(length) {
                length += 1;
                if end.is_reached_by(*byte) {
                    return Ok(length);
                }
            }
            if !self.input.read_more()? {
                return Err(refused(self.line, &Problem::NoEnd));
            }
        }
    }
}

/// Counts brackets outside texts.
#[derive(Default)]
struct ObjectEnd {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl ObjectEnd {
    fn is_reached_by(&mut self, byte: u8) -> bool {
        if self.in_text {
            (self.in_text, self.is_escaped) = match byte {
                _ if self.is_escaped => (true, false),
                b'\\' => (true, true),
                b'"' => (false, false),
                _ => (true, false),
            };
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The user names read, and how it ended.
    fn read(text: &str) -> (Vec<(usize, String)>, Option<String>) {
        let mut reader = TokenReader::new(SecretInput::new(text.as_bytes()));
        let mut users = Vec::new();
        loop {
            match reader.next() {
                Ok(None) => return (users, None),
                Ok(Some((line, token))) => users.push((line, token.user_name().unwrap_or_default().to_owned())),
                Err(error) => return (users, Some(error.message().to_owned())),
            }
        }
    }

    #[test]
    fn objects_follow_one_another_with_any_blanks_between() {
        let text = "\n{\"user_name\":\"a{\\\"}\"}{\"user_name\":\n\"b\"}\r\n\t{\"user_name\":\"c\\\\\"}";
        let users = [(2, "a{\"}"), (2, "b"), (4, "c\\")].map(|(line, user)| (line, user.to_owned()));
        assert_eq!(read(text), (users.to_vec(), None));
        assert_eq!(read(" \n"), (Vec::new(), None));
    }

    #[test]
    fn a_byte_order_mark_counts_at_the_start_only() {
        let users = vec![(1, "a".to_owned())];
        assert_eq!(read("\u{feff}{\"user_name\":\"a\"}"), (users.clone(), None));
        assert_eq!(read("\u{feff}"), (Vec::new(), None));
        let said = "line 2: this is not a JSON object".to_owned();
        assert_eq!(read("{\"user_name\":\"a\"}\n\u{feff}{}"), (users, Some(said)));
    }

    #[test]
    fn what_came_before_an_error_was_read() {
        let (users, error) = read("{\"user_name\":\"a\"}\n[{}]");
        assert_eq!((users.len(), error.as_deref()), (1, Some("line 2: this is not a JSON object")));
        assert_eq!(
            read("{}\n\n{\"user_name\":").1.as_deref(),
            Some("line 3: the JSON object that begins here does not end")
        );
        assert_eq!(read("{]").1.as_deref(), Some("line 1: this is not JSON (column 2)"));
    }

    #[test]
    fn a_token_longer_than_one_read_is_read_whole() {
        let long = "x".repeat(60_000);
        let text = format!("{{\"user_name\":\"{long}\"}}\n").repeat(3);
        let lines = [1, 2, 3].map(|line| (line, long.clone()));
        assert_eq!(read(&text), (lines.to_vec(), None));
    }
}
