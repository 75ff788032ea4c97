//! A checkpoint on disk: `tensors.safetensors` with parameters and momentum, `state.json` with the rest.
//!
//! It says what it belongs to. A checkpoint of another seed, configuration or schedule is refused: going on from it would
//! give numbers that nobody can explain. Its bytes depend on the state alone.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::hyperparameters::Hyperparameters;
use crate::training::{Best, State, Training};

const FORMAT: u32 = 1;
const TENSORS: &str = "tensors.safetensors";
const STATE: &str = "state.json";

/// `state.json`.
#[derive(Serialize, Deserialize)]
struct Description {
    format: u32,
    seed: u64,
    hyperparameters: Hyperparameters,
    max_epochs: u64,
    epoch: u64,
    schedule: Position,
    sampler: Position,
    best: Option<Best>,
    /// BLAKE3 of the parameters, as [`parameters_hash`] gives it.
    parameters: String,
}

/// How far something has come.
#[derive(Serialize, Deserialize)]
struct Position {
    position: u64,
}

/// The BLAKE3 hash of these parameters' bits in little-endian order, in hex: equal if and only if all bits are.
pub(crate) fn parameters_hash(parameters: &[f32]) -> String {
    blake3::hash(&bytes(parameters)).to_hex().to_string()
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The bytes of a checkpoint: a snapshot that another thread can write while the training goes on.
pub(crate) struct Files {
    tensors: Vec<u8>,
    state: Vec<u8>,
}

impl Files {
    /// Of this state.
    pub(crate) fn of(training: &Training<'_>, state: &State) -> Result<Self, Error> {
        let description = Description {
            format: FORMAT,
            seed: training.seed,
            hyperparameters: training.hyperparameters.clone(),
            max_epochs: training.max_epochs,
            epoch: state.epoch,
            schedule: Position { position: state.step },
            sampler: Position { position: state.samples },
            best: state.best,
            parameters: parameters_hash(&state.parameters),
        };
        let (parameters, velocity) = (bytes(&state.parameters), bytes(&state.velocity));
        let mut views = Vec::new();
        for (prefix, bytes) in [("parameters", &parameters), ("momentum", &velocity)] {
            let mut rest = bytes.as_slice();
            for (name, shape) in tensors(training, prefix) {
                let (part, after) = rest.split_at(shape.iter().product::<usize>() * size_of::<f32>());
                rest = after;
                views.push((name, TensorView::new(Dtype::F32, shape, part).map_err(unwritable)?));
            }
        }
        let tensors = serialize(views, None).map_err(unwritable)?;
        let mut state = serde_json::to_vec_pretty(&description).map_err(unwritable)?;
        state.push(b'\n');
        Ok(Self { tensors, state })
    }

    /// Writes them into a directory that is there, each on the disk when this returns.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        for (name, content) in [(TENSORS, &self.tensors), (STATE, &self.state)] {
            let path = directory.join(name);
            let mut file = File::create_new(&path).map_err(Error::file("create", &path))?;
            file.write_all(content).map_err(Error::file("write", &path))?;
            file.sync_all().map_err(Error::file("write to the disk", &path))?;
        }
        Ok(())
    }
}

/// The names and shapes of the tensors, in the order of the flat parameters.
fn tensors(training: &Training<'_>, prefix: &str) -> Vec<(String, Vec<usize>)> {
    let named = |(layer, (inputs, outputs)): (usize, (usize, usize))| {
        [(format!("{prefix}.{layer}.weights"), vec![inputs, outputs]), (format!("{prefix}.{layer}.bias"), vec![outputs])]
    };
    training.shape.sizes().enumerate().flat_map(named).collect()
}

fn unwritable(error: impl std::fmt::Display) -> Error {
    Error::File { doing: "put together", path: STATE.into(), source: std::io::Error::other(error.to_string()) }
}

/// Reads a checkpoint that this training may go on from.
pub(crate) fn read(directory: &Path, training: &Training<'_>) -> Result<State, Error> {
    let content = |name: &str| {
        let path = directory.join(name);
        fs::read(&path).map_err(Error::file("read", &path))
    };
    state(&content(STATE)?, &content(TENSORS)?, training).map_err(|why| Error::Checkpoint { directory: directory.to_owned(), why })
}

fn state(state: &[u8], tensor_file: &[u8], training: &Training<'_>) -> Result<State, String> {
    let found: Description = serde_json::from_slice(state).map_err(|error| format!("{STATE}: {error}"))?;
    let same = |what: &str, same: bool, found: String, mine: String| {
        if same { Ok(()) } else { Err(format!("it belongs to another training: its {what} is {found}, here it is {mine}")) }
    };
    same("format", found.format == FORMAT, found.format.to_string(), FORMAT.to_string())?;
    same("seed", found.seed == training.seed, found.seed.to_string(), training.seed.to_string())?;
    let (theirs, mine) = (&found.hyperparameters, &training.hyperparameters);
    same("configuration", theirs == mine, format!("{theirs:?}"), format!("{mine:?}"))?;
    same("end of the schedule", found.max_epochs == training.max_epochs, found.max_epochs.to_string(), training.max_epochs.to_string())?;
    let (theirs, mine) = ((found.schedule.position, found.sampler.position), training.position(found.epoch));
    same("position (steps, samples)", theirs == mine, format!("{theirs:?}"), format!("{mine:?}"))?;

    let file = SafeTensors::deserialize(tensor_file).map_err(|error| format!("{TENSORS}: {error}"))?;
    let flat = |prefix| -> Result<Vec<f32>, String> {
        let mut flat = Vec::with_capacity(training.shape.parameters());
        for (name, shape) in tensors(training, prefix) {
            let tensor = file.tensor(&name).map_err(|error| format!("{TENSORS}: {error}"))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
                return Err(format!("{TENSORS}: {name} has shape {:?}, not {shape:?} of 32-bit floats", tensor.shape()));
            }
            flat.extend(tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        }
        Ok(flat)
    };
    let (parameters, velocity) = (flat("parameters")?, flat("momentum")?);
    if parameters_hash(&parameters) != found.parameters {
        return Err(format!("{TENSORS}: the parameters are not those that {STATE} speaks of"));
    }
    Ok(State { epoch: found.epoch, step: theirs.0, samples: theirs.1, parameters, velocity, best: found.best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Digits;

    fn training(data: &Digits, seed: u64, hidden: usize, max_epochs: u64) -> Training<'_> {
        Training::new(data, Hyperparameters { hidden, ..Hyperparameters::default() }, seed, max_epochs)
    }

    #[test]
    fn another_trainings_checkpoint_is_refused() {
        let data = Digits::load().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mine = training(&data, 1, 8, 9);
        Files::of(&mine, &mine.start()).unwrap().write(directory.path()).unwrap();
        assert!(read(directory.path(), &mine).is_ok());
        for (other, word) in [
            (training(&data, 2, 8, 9), "seed"),
            (training(&data, 1, 9, 9), "configuration"),
            (training(&data, 1, 8, 27), "end of the schedule"),
        ] {
            let error = read(directory.path(), &other).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_damaged_checkpoint_is_refused() {
        let data = Digits::load().unwrap();
        let mine = training(&data, 1, 8, 9);
        let whole = Files::of(&mine, &mine.start()).unwrap();
        assert!(state(&whole.state, &whole.tensors, &mine).is_ok());
        assert!(state(&whole.state, &whole.tensors[..whole.tensors.len() - 1], &mine).is_err());
        assert!(state(&whole.state[..40], &whole.tensors, &mine).is_err());
        let mut flipped = whole.tensors.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(state(&whole.state, &flipped, &mine).is_err_and(|why| why.contains("parameters are not those")));
    }

    #[test]
    fn infinities_and_nan_come_back_bit_for_bit() {
        let data = Digits::load().unwrap();
        let mine = training(&data, 1, 8, 9);
        let mut diverged = mine.start();
        diverged.parameters[0] = f32::from_bits(0x7fc0_1234);
        diverged.velocity[1] = f32::NEG_INFINITY;
        let files = Files::of(&mine, &diverged).unwrap();
        let back = state(&files.state, &files.tensors, &mine).unwrap();
        assert_eq!(bytes(&back.parameters), bytes(&diverged.parameters));
        assert_eq!(bytes(&back.velocity), bytes(&diverged.velocity));
    }
}
