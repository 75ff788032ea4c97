//! Random configurations, drawn by counter: each value is a function of the seed, the trial and the parameter's name.
//!
//! No generator is carried along, so that a trial's configuration does not depend on which others were drawn before,
//! and a new parameter leaves the values of the others as they were. ChaCha and libm give the same bits on every
//! machine.

use bandmaster_record::{Params, TrialId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{Method, Space, Spec, grid};

/// What a draw is for, so that no two purposes share their bits.
#[derive(Clone, Copy)]
enum Purpose {
    Parameter = 1,
    TrialSeed = 2,
}

/// The values of the trial's active parameters. Beyond the end of a grid there are none.
pub fn configuration(spec: &Spec, trial: TrialId) -> Params {
    match spec.method {
        Method::Grid { .. } => grid::configuration(&spec.space, trial.0).unwrap_or_default(),
        Method::Single { .. } | Method::Random { .. } | Method::Hyperband { .. } => sample(&spec.space, spec.seed, trial),
    }
}

/// The seed that a trial is given: below 2^31, since that is what every library's seed accepts.
pub fn trial_seed(seed: u64, trial: TrialId) -> u64 {
    bits(seed, trial, Purpose::TrialSeed, "") >> 33
}

fn sample(space: &Space, seed: u64, trial: TrialId) -> Params {
    let mut chosen = Params::new();
    for parameter in space.in_order() {
        if parameter.is_active(&chosen) {
            chosen.insert(parameter.name.clone(), parameter.domain.draw(bits(seed, trial, Purpose::Parameter, &parameter.name)));
        }
    }
    chosen
}

/// The first 64 bits of the ChaCha stream whose key is seed, trial, hash of the name, and purpose, 8 bytes each.
fn bits(seed: u64, trial: TrialId, purpose: Purpose, name: &str) -> u64 {
    let words = [seed, trial.0.into(), fnv_1a(name.as_bytes()), purpose as u64];
    let mut key = [0; 32];
    for (place, word) in key.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key).next_u64()
}

/// FNV-1a with 64 bits (draft-eastlake-fnv).
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests;
