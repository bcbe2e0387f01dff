//! The request's body: application/x-www-form-urlencoded (RFC 6749, appendix B).

use zeroize::Zeroizing;

/// Pairs as a form has them, in memory that is wiped. Everything but letters, digits and `-._` is percent-encoded.
pub(super) fn encode(pairs: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    // Exactly the room it can need: a vector that grows leaves its old memory behind unwiped.
    let room: usize = pairs.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    for (number, (name, value)) in pairs.iter().enumerate() {
        if number > 0 {
            out.push(b'&');
        }
        put(&mut out, name);
        out.push(b'=');
        put(&mut out, value);
    }
    out
}

fn put(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(byte);
        } else {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or_default();
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_value_holds_it_stays_one_value() {
        let body = encode(&[("a", "1000.x-y_z"), ("b", "&= +%\r\n\0ë")]);
        assert_eq!(std::str::from_utf8(&body).unwrap(), "a=1000.x-y_z&b=%26%3D%20%2B%25%0D%0A%00%C3%AB");
        assert!(body.capacity() >= body.len());
        assert_eq!(encode(&[]).len(), 0);
    }
}
