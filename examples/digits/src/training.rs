//! The training: an epoch is a function from one state to the next.
//!
//! It depends on the state, the seed and the hyperparameters, and on nothing else: no clock, no history, no environment.
//! So a trial that is stopped after any epoch, or killed in the middle of one, comes to the same bits as one that ran
//! through. The state before the epoch stays as it is until the epoch is whole: that is what a stopped trial keeps.

use serde::{Deserialize, Serialize};

use crate::data::{Digits, Sample};
use crate::gradient::{Batch, Gradient, SHARDS};
use crate::hyperparameters::Hyperparameters;
use crate::network::{Dropout, Pass, Shape};
use crate::rng::{Draws, Purpose};
use crate::schedule::Schedule;
use crate::sgd::Step;

/// All that a training is after a whole number of epochs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// Epochs done: the resource.
    pub(crate) epoch: u64,
    /// Steps done: the position of the schedule.
    pub(crate) step: u64,
    /// Samples drawn: the position of the sampler.
    pub(crate) samples: u64,
    /// The network.
    pub(crate) parameters: Vec<f32>,
    /// The optimizer's momentum, one number a parameter.
    pub(crate) velocity: Vec<f32>,
    /// The best epoch so far.
    pub(crate) best: Option<Best>,
}

/// The epoch with the least validation loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// After how many epochs.
    pub(crate) epoch: u64,
    /// The loss there, in nats; finite.
    pub(crate) val_loss: f64,
}

/// How good a network is. It depends on the parameters alone, so that a resumed trial can say it again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Metrics {
    /// Mean cross-entropy over the validation images, in nats.
    pub(crate) val_loss: f64,
    /// The part of the validation images that are read right, 0 to 1.
    pub(crate) val_accuracy: f64,
    /// Mean cross-entropy over the training images, nothing dropped, in nats.
    pub(crate) train_loss: f64,
}

/// Stop is looked for after so many mini-batches: a few milliseconds.
const BATCHES_BETWEEN_LOOKS: usize = 4;

/// One configuration with its data: what is the same in all epochs.
pub(crate) struct Training<'a> {
    /// The images.
    data: &'a Digits,
    /// The configuration.
    pub(crate) hyperparameters: Hyperparameters,
    /// The trial's seed.
    pub(crate) seed: u64,
    /// The final R, where the schedule ends.
    pub(crate) max_epochs: u64,
    /// The network's layers.
    pub(crate) shape: Shape,
    schedule: Schedule,
}

impl<'a> Training<'a> {
    /// For this configuration; `max_epochs` is the final R, whatever the target is now.
    pub(crate) fn new(data: &'a Digits, hyperparameters: Hyperparameters, seed: u64, max_epochs: u64) -> Self {
        let Hyperparameters { lr, hidden, layers, batch, warmup, .. } = hyperparameters;
        let schedule = Schedule::new(lr, warmup, max_epochs, data.training.len().div_ceil(batch) as u64);
        Self { data, hyperparameters, seed, max_epochs, shape: Shape::new(hidden, layers), schedule }
    }

    /// The state before the first epoch.
    pub(crate) fn start(&self) -> State {
        let parameters = self.shape.start(self.seed);
        let velocity = vec![0.0; parameters.len()];
        State { epoch: 0, step: 0, samples: 0, parameters, velocity, best: None }
    }

    /// Where schedule and sampler stand after so many epochs: (steps, samples).
    pub(crate) fn position(&self, epoch: u64) -> (u64, u64) {
        let samples = self.data.training.len();
        (epoch * samples.div_ceil(self.hyperparameters.batch) as u64, epoch * samples as u64)
    }

    /// Trains for one epoch. `None` if `stop` said so before its end: the state that was given is then the last whole one.
    pub(crate) fn epoch(&self, state: &State, mut stop: impl FnMut() -> bool) -> Option<State> {
        let State { epoch, mut step, mut samples, mut parameters, mut velocity, best } = state.clone();
        let mut order: Vec<&Sample> = self.data.training.iter().collect();
        Draws::new(self.seed, Purpose::Order, epoch, 0).shuffle(&mut order);
        let mut gradient = Gradient::new(&self.shape);
        let mut sum = vec![0.0; parameters.len()];
        let probability = self.hyperparameters.dropout as f32;
        for (index, batch) in order.chunks(self.hyperparameters.batch).enumerate() {
            if index % BATCHES_BETWEEN_LOOKS == 0 && stop() {
                return None;
            }
            let first = index * self.hyperparameters.batch;
            // Keyed by the sample's place in the epoch, whichever shard or rank it falls to.
            let draws = |place: usize| Draws::new(self.seed, Purpose::Dropout, epoch, (first + place) as u64);
            let dropout = |place| (probability > 0.0).then(|| Dropout { probability, draws: draws(place) });
            gradient.of(&parameters, &Batch { samples: batch, dropout: &dropout }, 0..SHARDS, &mut sum);
            Step {
                rate: self.schedule.rate(step) as f32,
                momentum: self.hyperparameters.momentum as f32,
                weight_decay: self.hyperparameters.weight_decay as f32,
            }
            .take(&mut parameters, &mut velocity, &sum, batch.len());
            step += 1;
            samples += batch.len() as u64;
        }
        Some(State { epoch: epoch + 1, step, samples, parameters, velocity, best })
    }

    /// Measures the network and keeps in mind whether it is the best so far.
    pub(crate) fn evaluate(&self, state: &mut State) -> Metrics {
        let (val_loss, val_accuracy) = self.judge(&state.parameters, &self.data.validation);
        let (train_loss, _) = self.judge(&state.parameters, &self.data.training);
        if val_loss.is_finite() && state.best.is_none_or(|best| val_loss < best.val_loss) {
            state.best = Some(Best { epoch: state.epoch, val_loss });
        }
        Metrics { val_loss, val_accuracy, train_loss }
    }

    /// (Mean loss, part that is right).
    fn judge(&self, parameters: &[f32], samples: &[Sample]) -> (f64, f64) {
        let layers = self.shape.layers(parameters);
        let mut pass = Pass::new(&self.shape);
        let (mut loss, mut correct) = (0.0, 0_u32);
        for sample in samples {
            let judgement = pass.forward(&layers, sample, None);
            loss += judgement.loss;
            correct += u32::from(judgement.correct);
        }
        (loss / samples.len() as f64, f64::from(correct) / samples.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint;

    fn small() -> Hyperparameters {
        Hyperparameters { hidden: 20, layers: 2, dropout: 0.2, batch: 48, ..Hyperparameters::default() }
    }

    fn run(training: &Training<'_>, mut state: State, target: u64) -> State {
        while state.epoch < target {
            state = training.epoch(&state, || false).unwrap();
            training.evaluate(&mut state);
        }
        state
    }

    #[test]
    fn resuming_at_any_epoch_comes_to_the_same_bits() {
        let data = Digits::load().unwrap();
        let through = Training::new(&data, small(), 11, 6);
        let expected = run(&through, through.start(), 6);
        for boundary in 1..=6 {
            let directory = tempfile::tempdir().unwrap();
            let first = Training::new(&data, small(), 11, 6);
            let half = run(&first, first.start(), boundary);
            checkpoint::Files::of(&first, &half).unwrap().write(directory.path()).unwrap();
            let second = Training::new(&data, small(), 11, 6);
            let resumed = checkpoint::read(directory.path(), &second).unwrap();
            assert_eq!(resumed, half);
            assert_eq!(run(&second, resumed, 6), expected, "resumed after {boundary}");
        }
    }

    #[test]
    fn a_stop_at_any_batch_changes_nothing() {
        let data = Digits::load().unwrap();
        let training = Training::new(&data, small(), 2, 3);
        let start = training.start();
        let whole = training.epoch(&start, || false).unwrap();
        for looks in [0, 1, 5, 7] {
            let mut left = looks;
            let stopped = training.epoch(&start, || {
                left -= 1;
                left < 0
            });
            assert!(stopped.is_none(), "after {looks} looks");
            assert_eq!(start, training.start());
        }
        assert_eq!(training.epoch(&start, || false).unwrap(), whole);
    }

    /// What a rung's target is does not enter: only the final R does.
    #[test]
    fn the_schedule_ends_at_the_final_resource() {
        let data = Digits::load().unwrap();
        let short = Training::new(&data, small(), 1, 3);
        let long = Training::new(&data, small(), 1, 27);
        let (steps, samples) = short.position(3);
        let done = run(&short, short.start(), 3);
        assert_eq!((done.step, done.samples), (steps, samples));
        assert_eq!(short.schedule.rate(steps), 0.0);
        assert!(long.schedule.rate(steps) > 0.09);
        assert_eq!(long.schedule.rate(long.position(27).0), 0.0);
    }

    #[test]
    fn it_learns() {
        let data = Digits::load().unwrap();
        let training = Training::new(&data, Hyperparameters::default(), 7, 12);
        let mut state = training.start();
        let before = training.evaluate(&mut state);
        let mut state = run(&training, state, 12);
        let after = training.evaluate(&mut state);
        assert!(before.val_accuracy < 0.3 && after.val_accuracy > 0.96, "{before:?} {after:?}");
        assert!(after.train_loss < 0.1 && after.val_loss < 0.2, "{after:?}");
    }

    /// Debug or release, this processor or that one. Whoever changes the training on purpose writes the new hash here.
    #[test]
    fn the_bits_do_not_depend_on_the_build() {
        let data = Digits::load().unwrap();
        let training = Training::new(&data, small(), 3, 4);
        let done = run(&training, training.start(), 4);
        assert_eq!(checkpoint::parameters_hash(&done.parameters), "d9df0ee6792aa67aad9950834e9895c8b0523a9053482e22b19c216139fa4fa0");
    }

    #[test]
    fn another_seed_is_another_training() {
        let data = Digits::load().unwrap();
        let [one, two] = [1, 2].map(|seed| Training::new(&data, small(), seed, 3));
        assert_ne!(one.start().parameters, two.start().parameters);
    }
}
