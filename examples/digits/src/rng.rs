//! Random numbers by key, never by history.
//!
//! What is drawn depends on the trial's seed, on what it is for, on the epoch and on the sample, and on nothing that was
//! drawn before. So a trial that resumes at epoch 12 draws there what it would have drawn without the interruption, and
//! a rank that sees half of the samples draws for them what one rank alone would have drawn.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What numbers are drawn for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// Which images are held back for validation.
    Split = 0,
    /// The parameters before the first step.
    Start = 1,
    /// The order of the samples in an epoch.
    Order = 2,
    /// Which activations of a sample are dropped.
    Dropout = 3,
}

/// A stream of random numbers.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of this seed and purpose, at this epoch and sample (0 where there is none).
    pub(crate) fn new(seed: u64, purpose: Purpose, epoch: u64, sample: u64) -> Self {
        let mut key = [0; 32];
        for (part, number) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, sample]) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    pub(crate) fn unit(&mut self) -> f32 {
        const SCALE: f32 = 1.0 / (1 << 24) as f32;
        (self.0.next_u32() >> 8) as f32 * SCALE
    }

    /// Uniform in 0 .. `end`, as near as 64 bits come.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.0.next_u64()) * end as u128) >> 64) as usize
    }

    /// Brings the items into a random order, each as likely as any other.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_key_makes_another_stream() {
        let (order, dropout) = (Purpose::Order, Purpose::Dropout);
        let keys = [(1, order, 2, 3), (0, order, 2, 3), (1, dropout, 2, 3), (1, order, 0, 3), (1, order, 2, 0)];
        let mut first: Vec<u64> =
            keys.iter().map(|&(seed, purpose, epoch, sample)| Draws::new(seed, purpose, epoch, sample).0.next_u64()).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), keys.len());
    }

    #[test]
    fn the_numbers_are_the_same_on_every_machine() {
        let mut draws = Draws::new(7, Purpose::Order, 1, 0);
        let mut order: Vec<u32> = (0..10).collect();
        draws.shuffle(&mut order);
        assert_eq!(order, [4, 3, 9, 5, 8, 7, 1, 6, 0, 2]);
        assert_eq!(draws.unit(), 0.8798299);
    }

    #[test]
    fn a_shuffle_puts_every_item_everywhere_equally_often() {
        let mut counts = [[0_u32; 5]; 5];
        for sample in 0..20_000 {
            let mut order: Vec<usize> = (0..5).collect();
            Draws::new(0, Purpose::Order, 0, sample).shuffle(&mut order);
            for (place, item) in order.into_iter().enumerate() {
                counts[place][item] += 1;
            }
        }
        // 4000 expected, standard deviation 57.
        assert!(counts.iter().flatten().all(|&count| count.abs_diff(4000) < 300), "{counts:?}");
    }
}
