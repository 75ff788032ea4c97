//! The network: dense layers with ReLU between them, softmax and cross-entropy at the end, and its gradient by hand.
//!
//! All parameters lie in one slice of `f32`, layer after layer, so that the optimizer, the sum over shards (one day over
//! ranks) and the checkpoint need to know nothing about layers. Every sum here has one fixed order, and every
//! transcendental function comes from crate libm: the same numbers on every machine, in every build.

use std::iter;

use crate::data::{CLASSES, PIXELS, Sample};
use crate::rng::{Draws, Purpose};

/// How many units each layer has, the image first.
#[derive(Clone)]
pub(crate) struct Shape(Vec<usize>);

/// One layer's part of the parameters, or of their gradient.
pub(crate) struct Layer<P> {
    /// `inputs` rows of `outputs` numbers.
    pub(crate) weights: P,
    /// `outputs` numbers.
    pub(crate) bias: P,
    /// Units above.
    pub(crate) outputs: usize,
}

impl Shape {
    /// Hidden layers of equal width between image and digits.
    pub(crate) fn new(hidden: usize, layers: usize) -> Self {
        Self(iter::once(PIXELS).chain(iter::repeat_n(hidden, layers)).chain(iter::once(CLASSES)).collect())
    }

    /// (inputs, outputs) of each layer.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().copied().zip(self.0.iter().copied().skip(1))
    }

    /// How many parameters there are.
    pub(crate) fn parameters(&self) -> usize {
        self.sizes().map(|(inputs, outputs)| (inputs + 1) * outputs).sum()
    }

    /// The layers of these parameters.
    pub(crate) fn layers<'a>(&self, mut flat: &'a [f32]) -> Vec<Layer<&'a [f32]>> {
        let mut cut = |count| {
            let (part, rest) = flat.split_at(count);
            flat = rest;
            part
        };
        self.sizes().map(|(inputs, outputs)| Layer { weights: cut(inputs * outputs), bias: cut(outputs), outputs }).collect()
    }

    /// The layers of this gradient, to add to.
    pub(crate) fn layers_mut<'a>(&self, mut flat: &'a mut [f32]) -> Vec<Layer<&'a mut [f32]>> {
        let mut cut = |count| {
            let (part, rest) = std::mem::take(&mut flat).split_at_mut(count);
            flat = rest;
            part
        };
        self.sizes().map(|(inputs, outputs)| Layer { weights: cut(inputs * outputs), bias: cut(outputs), outputs }).collect()
    }

    /// Parameters before the first step: weights uniform with the variance 2 / inputs, which keeps the size of the
    /// activations through ReLU layers (He et al. 2015), biases zero.
    pub(crate) fn start(&self, seed: u64) -> Vec<f32> {
        let mut draws = Draws::new(seed, Purpose::Start, 0, 0);
        let mut flat = vec![0.0; self.parameters()];
        for (layer, (inputs, _)) in self.layers_mut(&mut flat).into_iter().zip(self.sizes()) {
            let bound = (6.0 / inputs as f32).sqrt();
            layer.weights.fill_with(|| bound * (2.0 * draws.unit() - 1.0));
        }
        flat
    }
}

/// Room for one sample's way through the network and back.
pub(crate) struct Pass {
    /// What each layer gives to the next, the image first, the logits last.
    activations: Vec<Vec<f32>>,
    /// The loss's derivative by the outputs of the layer at hand, and by its inputs.
    above: Vec<f32>,
    below: Vec<f32>,
    /// By how much the activations that were kept are larger for those that were dropped.
    scale: f32,
}

/// How one sample was judged.
pub(crate) struct Judgement {
    /// Cross-entropy in nats.
    pub(crate) loss: f64,
    /// Whether the likeliest digit is the right one.
    pub(crate) correct: bool,
}

/// Which hidden activations are dropped for a sample, and with what probability.
pub(crate) struct Dropout {
    /// In [0, 1).
    pub(crate) probability: f32,
    /// The sample's own stream.
    pub(crate) draws: Draws,
}

impl Pass {
    /// Room for a network of this shape.
    pub(crate) fn new(shape: &Shape) -> Self {
        Self { activations: shape.0.iter().map(|&units| vec![0.0; units]).collect(), above: Vec::new(), below: Vec::new(), scale: 1.0 }
    }

    /// Sends the sample through the layers and judges it.
    pub(crate) fn forward(&mut self, layers: &[Layer<&[f32]>], sample: &Sample, mut dropout: Option<Dropout>) -> Judgement {
        self.scale = dropout.as_ref().map_or(1.0, |dropout| 1.0 / (1.0 - dropout.probability));
        let Some((first, activations)) = self.activations.split_first_mut() else { return Judgement { loss: f64::NAN, correct: false } };
        first.copy_from_slice(&sample.image);
        let mut inputs: &[f32] = first;
        let hidden = layers.len().saturating_sub(1);
        for (index, (layer, outputs)) in layers.iter().zip(activations).enumerate() {
            outputs.copy_from_slice(layer.bias);
            for (&input, row) in inputs.iter().zip(layer.weights.chunks_exact(layer.outputs)) {
                // Ink is rare, and so is what passes ReLU.
                if input != 0.0 {
                    add_scaled(outputs, input, row);
                }
            }
            if index < hidden {
                for output in outputs.iter_mut() {
                    let keep = dropout.as_mut().is_none_or(|dropout| dropout.draws.unit() >= dropout.probability);
                    *output = if !keep || *output <= 0.0 { 0.0 } else { *output * self.scale };
                }
            }
            inputs = outputs;
        }
        judge(inputs, sample.digit, &mut self.above)
    }

    /// Adds the gradient of the sample's loss, after its `forward`.
    pub(crate) fn backward(&mut self, layers: &[Layer<&[f32]>], gradient: &mut [Layer<&mut [f32]>]) {
        for ((layer, gradient), inputs) in layers.iter().zip(gradient).zip(&self.activations).rev() {
            self.below.clear();
            let rows = layer.weights.chunks_exact(layer.outputs).zip(gradient.weights.chunks_exact_mut(layer.outputs));
            for (&input, (row, gradient_row)) in inputs.iter().zip(rows) {
                if input == 0.0 {
                    self.below.push(0.0);
                } else {
                    add_scaled(gradient_row, input, &self.above);
                    self.below.push(self.scale * dot(row, &self.above));
                }
            }
            add_scaled(gradient.bias, 1.0, &self.above);
            std::mem::swap(&mut self.above, &mut self.below);
        }
    }
}

/// Softmax and cross-entropy; leaves the loss's derivative by the logits in `derivative`.
fn judge(logits: &[f32], digit: usize, derivative: &mut Vec<f32>) -> Judgement {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = logits.iter().map(|&logit| libm::exp(f64::from(logit) - f64::from(largest))).collect();
    let sum: f64 = exponentials.iter().sum();
    derivative.clear();
    derivative.extend(exponentials.iter().enumerate().map(|(class, e)| (e / sum - if class == digit { 1.0 } else { 0.0 }) as f32));
    let right = logits.get(digit).copied().unwrap_or(f32::NAN);
    Judgement {
        loss: libm::log(sum) - (f64::from(right) - f64::from(largest)),
        correct: logits.iter().position(|&logit| logit == largest) == Some(digit),
    }
}

/// `into += factor * row`. Nothing is added up across the slice, so vector instructions change no bit.
fn add_scaled(into: &mut [f32], factor: f32, row: &[f32]) {
    for (into, value) in into.iter_mut().zip(row) {
        *into += factor * value;
    }
}

/// The scalar product, in eight sums that are added in one fixed order: fast with vector instructions, the same without.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (left, left_rest) = left.as_chunks::<8>();
    let (right, right_rest) = right.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (left, right) in left.iter().zip(right) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    (((a + b) + (c + d)) + ((e + f) + (g + h))) + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Digits;

    /// The summed loss once more: in f64, as the textbook has it, so that difference quotients of tiny steps are sharp
    /// and no ReLU bends within one.
    fn textbook_loss(shape: &Shape, parameters: &[f64], samples: &[Sample], dropout: f32) -> f64 {
        let judged = samples.iter().zip(0..).map(|(sample, index)| {
            let mut dropout = dropped(dropout, index);
            let mut units: Vec<f64> = sample.image.iter().map(|pixel| f64::from(*pixel)).collect();
            let mut rest = parameters;
            for (layer, (inputs, outputs)) in shape.sizes().enumerate() {
                let (weights, bias) = (&rest[..inputs * outputs], &rest[inputs * outputs..(inputs + 1) * outputs]);
                rest = &rest[(inputs + 1) * outputs..];
                units = (0..outputs).map(|j| bias[j] + (0..inputs).map(|i| units[i] * weights[i * outputs + j]).sum::<f64>()).collect();
                if layer + 1 < shape.sizes().count() {
                    for unit in &mut units {
                        let keep = dropout.as_mut().is_none_or(|dropout| dropout.draws.unit() >= dropout.probability);
                        let scale = dropout.as_ref().map_or(1.0, |dropout| 1.0 / (1.0 - f64::from(dropout.probability)));
                        *unit = if keep { unit.max(0.0) * scale } else { 0.0 };
                    }
                }
            }
            units.iter().map(|unit| unit.exp()).sum::<f64>().ln() - units[sample.digit]
        });
        judged.sum()
    }

    fn dropped(probability: f32, sample: u64) -> Option<Dropout> {
        (probability > 0.0).then(|| Dropout { probability, draws: Draws::new(1, Purpose::Dropout, 0, sample) })
    }

    #[test]
    fn loss_and_gradient_are_those_of_the_textbook() {
        let digits = Digits::load().unwrap();
        let samples = &digits.training[..20];
        for (hidden, layers, dropout) in [(16, 1, 0.0), (13, 2, 0.0), (24, 3, 0.0), (24, 2, 0.3)] {
            let shape = Shape::new(hidden, layers);
            let parameters = shape.start(5);
            let mut gradient = vec![0.0; shape.parameters()];
            let mut pass = Pass::new(&shape);
            let mut loss = 0.0;
            for (sample, index) in samples.iter().zip(0..) {
                loss += pass.forward(&shape.layers(&parameters), sample, dropped(dropout, index)).loss;
                pass.backward(&shape.layers(&parameters), &mut shape.layers_mut(&mut gradient));
            }
            let exact: Vec<f64> = parameters.iter().map(|p| f64::from(*p)).collect();
            assert!((loss - textbook_loss(&shape, &exact, samples, dropout)).abs() < 1e-4);
            // Each layer's weights and biases by themselves, so that a mistake in a small part is not drowned.
            let mut end = 0;
            for (inputs, outputs) in shape.sizes() {
                for count in [inputs * outputs, outputs] {
                    let part = end..end + count;
                    end = part.end;
                    let mut draws = Draws::new(9, Purpose::Split, 0, end as u64);
                    let direction: Vec<f64> = part.clone().map(|_| f64::from(draws.unit()) - 0.5).collect();
                    let expected: f64 = gradient[part.clone()].iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
                    let moved = |by: f64| {
                        let mut moved = exact.clone();
                        moved[part.clone()].iter_mut().zip(&direction).for_each(|(p, d)| *p += by * d);
                        textbook_loss(&shape, &moved, samples, dropout)
                    };
                    let found = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    let size: f64 = gradient[part].iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
                    assert!((found - expected).abs() < 1e-4 * size + 1e-6, "{hidden}x{layers}, part before {end}: {found} for {expected}");
                }
            }
            assert_eq!(end, parameters.len());
        }
    }

    #[test]
    fn the_scalar_product_is_one_for_any_length() {
        for length in [0, 1, 7, 8, 9, 10, 64, 100] {
            let left: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let right = vec![2.0; length];
            assert_eq!(dot(&left, &right), (0..length).map(|i| 2.0 * i as f32).sum::<f32>());
        }
    }

    #[test]
    fn a_diverged_network_has_the_loss_nan_and_is_never_right() {
        let mut derivative = Vec::new();
        for logits in [[f32::NAN; 10], [f32::INFINITY; 10]] {
            let judgement = judge(&logits, 0, &mut derivative);
            assert!(judgement.loss.is_nan());
        }
        assert!(!judge(&[f32::NAN; 10], 0, &mut derivative).correct);
    }

    #[test]
    fn an_even_guess_costs_the_logarithm_of_ten() {
        let mut derivative = Vec::new();
        let judgement = judge(&[0.25; 10], 3, &mut derivative);
        assert!((judgement.loss - 10.0_f64.ln()).abs() < 1e-12);
        assert!((derivative[3] + 0.9).abs() < 1e-6 && (derivative[0] - 0.1).abs() < 1e-6);
    }
}
