//! Chance that can be had again, and contents made of it.

/// A source of numbers (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn split(&mut self) -> Dice {
        Dice(self.next())
    }

    pub(crate) fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.below(things.len())]
    }
}

/// How many different blobs there are: few, so that clients push the same ones at the same time.
pub(crate) const CONTENTS: usize = 60;

/// One of the blobs that all clients draw from: its number decides its bytes, from none to some hundred thousand.
pub(crate) fn content(number: usize) -> Vec<u8> {
    let mut dice = Dice::new(number as u64);
    let length = match number {
        0 => 0,
        _ => dice.below(1 << (number % 18 + 1)),
    };
    (0..length.div_ceil(8))
        .flat_map(|_| dice.next().to_le_bytes())
        .take(length)
        .collect()
}
