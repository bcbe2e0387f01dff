//! What the fuzz target for tokens on standard input calls.

use crate::cli::input::SecretInput;
use crate::cli::token_reader::TokenReader;

/// Reads tokens as `save` does, to the end or the first refusal.
pub(crate) fn json(data: &[u8]) {
    let mut reader = TokenReader::new(SecretInput::new(data));
    while reader.next().is_ok_and(|token| token.is_some()) {}
}
