//! The gradient of a mini-batch, in an order of additions that does not depend on how many ranks share the work.
//!
//! A batch is cut into [`SHARDS`] shards. A shard's gradient is the sum over its samples in their order; the shards are
//! added in a binary tree, ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)). With 2, 4 or 8 ranks each rank adds up one subtree,
//! and an allreduce by recursive doubling adds the rest of the tree: the same additions, so the same bits as with one.

use std::ops::Range;

use crate::data::Sample;
use crate::network::{Dropout, Pass, Shape};

/// Into how many parts a mini-batch is cut, whoever computes them: the largest number of ranks. A power of two.
pub(crate) const SHARDS: usize = 8;

/// Computes gradients of mini-batches, with the memory for it.
pub(crate) struct Gradient {
    shape: Shape,
    pass: Pass,
    /// One buffer for each level of the tree.
    levels: Vec<Vec<f32>>,
}

/// A mini-batch: its samples, each with its draws for dropout, made anew each time they are asked for.
pub(crate) struct Batch<'a> {
    /// The samples in their order.
    pub(crate) samples: &'a [&'a Sample],
    /// The dropout of the sample at a place of this batch.
    pub(crate) dropout: &'a dyn Fn(usize) -> Option<Dropout>,
}

impl Gradient {
    /// For networks of this shape.
    pub(crate) fn new(shape: &Shape) -> Self {
        let levels = vec![vec![0.0; shape.parameters()]; SHARDS.ilog2() as usize];
        Self { shape: shape.clone(), pass: Pass::new(shape), levels }
    }

    /// Leaves in `sum` the gradient of the summed loss over these shards of the batch. One rank alone asks for
    /// `0..SHARDS`; one of several for its subtree, before the allreduce.
    pub(crate) fn of(&mut self, parameters: &[f32], batch: &Batch<'_>, shards: Range<usize>, sum: &mut [f32]) {
        let Self { shape, pass, levels } = self;
        Tree { shape, parameters, batch }.add_up(shards, pass, levels, sum);
    }
}

/// What stays the same all over the tree.
struct Tree<'a> {
    shape: &'a Shape,
    parameters: &'a [f32],
    batch: &'a Batch<'a>,
}

impl Tree<'_> {
    fn add_up(&self, shards: Range<usize>, pass: &mut Pass, levels: &mut [Vec<f32>], sum: &mut [f32]) {
        let middle = shards.start + shards.len() / 2;
        match levels.split_first_mut() {
            Some((right, levels)) if shards.len() > 1 => {
                self.add_up(shards.start..middle, pass, levels, sum);
                self.add_up(middle..shards.end, pass, levels, right);
                for (sum, right) in sum.iter_mut().zip(right) {
                    *sum += *right;
                }
            }
            _ => self.shard(shards.start, pass, sum),
        }
    }

    fn shard(&self, shard: usize, pass: &mut Pass, sum: &mut [f32]) {
        sum.fill(0.0);
        let layers = self.shape.layers(self.parameters);
        let mut gradient = self.shape.layers_mut(sum);
        let count = self.batch.samples.len();
        let (first, end) = (shard * count / SHARDS, (shard + 1) * count / SHARDS);
        for (place, sample) in self.batch.samples.iter().enumerate().take(end).skip(first) {
            pass.forward(&layers, sample, (self.batch.dropout)(place));
            pass.backward(&layers, &mut gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Digits;

    fn bits(numbers: &[f32]) -> Vec<u32> {
        numbers.iter().map(|number| number.to_bits()).collect()
    }

    /// Recursive doubling: each round, neighbours at twice the distance add what they have.
    #[test]
    fn any_number_of_ranks_adds_up_the_same_bits() {
        let digits = Digits::load().unwrap();
        let shape = Shape::new(20, 2);
        let parameters = shape.start(3);
        for length in [5, 13, 32] {
            let samples: Vec<&Sample> = digits.training.iter().take(length).collect();
            let batch = Batch { samples: &samples, dropout: &|_| None };
            let mut alone = vec![0.0; shape.parameters()];
            Gradient::new(&shape).of(&parameters, &batch, 0..SHARDS, &mut alone);
            assert!(alone.iter().any(|value| *value != 0.0));
            for ranks in [2, 4, 8] {
                let mut sums: Vec<Vec<f32>> = (0..ranks)
                    .map(|rank| {
                        let mut sum = vec![0.0; shape.parameters()];
                        let each = SHARDS / ranks;
                        Gradient::new(&shape).of(&parameters, &batch, rank * each..(rank + 1) * each, &mut sum);
                        sum
                    })
                    .collect();
                let mut distance = 1;
                while distance < ranks {
                    sums = (0..ranks)
                        .map(|rank| sums[rank].iter().zip(&sums[rank ^ distance]).map(|(mine, theirs)| mine + theirs).collect())
                        .collect();
                    distance *= 2;
                }
                assert!(sums.iter().all(|sum| bits(sum) == bits(&alone)), "{ranks} ranks, {length} samples");
            }
        }
    }
}
