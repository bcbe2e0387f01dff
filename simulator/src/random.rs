//! What is drawn from the seed.

use fastrand::Rng;

/// Randomness of one call, whatever was drawn for others before it.
pub(crate) fn of_call(seed: u64, number: u64) -> Rng {
    let mut seeded = Rng::with_seed(seed);
    Rng::with_seed(seeded.u64(..) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A UUID, version 4.
pub(crate) fn uuid(random: &mut Rng) -> String {
    let (high, low) = (random.u64(..), random.u64(..));
    let (time, middle, version) = (high >> 32, (high >> 16) & 0xffff, high & 0x0fff);
    let (variant, node) = (0x8000 | ((low >> 48) & 0x3fff), low & 0xffff_ffff_ffff);
    format!("{time:08x}-{middle:04x}-4{version:03x}-{variant:04x}-{node:012x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_follow_seed_and_number() {
        let id = uuid(&mut of_call(1, 2));
        assert_eq!(id, uuid(&mut of_call(1, 2)));
        assert_ne!(id, uuid(&mut of_call(1, 3)));
        assert_ne!(id, uuid(&mut of_call(2, 2)));
        let shape: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!((shape, id.as_bytes()[14]), (vec![8, 4, 4, 4, 12], b'4'));
    }
}
