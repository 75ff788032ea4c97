//! The handwritten digits, and which of them are held back for validation. Source and licence: `data/SOURCE.md`.

use crate::error::Error;
use crate::rng::{Draws, Purpose};

/// Pixels of an image: 8 rows of 8.
pub(crate) const PIXELS: usize = 64;
/// Digits to tell apart.
pub(crate) const CLASSES: usize = 10;
/// How many of the 1797 images are held back.
const VALIDATION: usize = 360;
/// Inside the program, so that it runs in any working directory.
const CSV: &str = include_str!("../data/digits.csv");

/// One image and what it shows.
pub(crate) struct Sample {
    /// From 0 (paper) to 1 (ink), row by row.
    pub(crate) image: [f32; PIXELS],
    /// 0 to 9.
    pub(crate) digit: usize,
}

/// All samples, split once and for all: every trial of every sweep is validated by the same images.
pub(crate) struct Digits {
    /// What a trial learns from.
    pub(crate) training: Vec<Sample>,
    /// What it is measured by, and never learns from.
    pub(crate) validation: Vec<Sample>,
}

impl Digits {
    /// Reads the images that are part of this program.
    pub(crate) fn load() -> Result<Self, Error> {
        let mut training = CSV.lines().enumerate().map(|(index, line)| sample(index + 1, line)).collect::<Result<Vec<_>, _>>()?;
        // The file keeps the writers together and repeats 0 to 9, so neither its end nor every fifth line would do.
        Draws::new(0, Purpose::Split, 0, 0).shuffle(&mut training);
        let validation = training.split_off(training.len().saturating_sub(VALIDATION));
        Ok(Self { training, validation })
    }
}

fn sample(line: usize, text: &str) -> Result<Sample, Error> {
    let wrong = |why: &str| Error::Data { line, why: why.to_owned() };
    let mut numbers = text.split(',').map(|field| field.trim().parse::<u8>());
    let mut image = [0.0; PIXELS];
    for pixel in &mut image {
        let ink = numbers.next().and_then(Result::ok).filter(|ink| *ink <= 16);
        *pixel = f32::from(ink.ok_or_else(|| wrong("there must be 64 pixels from 0 to 16"))?) / 16.0;
    }
    match (numbers.next(), numbers.next()) {
        (Some(Ok(digit @ 0..=9)), None) => Ok(Sample { image, digit: digit.into() }),
        _ => Err(wrong("after the pixels there must be one digit from 0 to 9, and nothing else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_images_are_there_and_none_is_in_both_parts() {
        let digits = Digits::load().unwrap();
        assert_eq!((digits.training.len(), digits.validation.len()), (1437, 360));
        let pixels = |sample: &Sample| sample.image.map(f32::to_bits);
        let held_back: std::collections::BTreeSet<_> = digits.validation.iter().map(pixels).collect();
        assert!(digits.training.iter().all(|sample| !held_back.contains(&pixels(sample))));
    }

    #[test]
    fn every_digit_is_validated() {
        let digits = Digits::load().unwrap();
        for digit in 0..CLASSES {
            let count = digits.validation.iter().filter(|sample| sample.digit == digit).count();
            assert!((20..=60).contains(&count), "digit {digit}: {count}");
        }
    }

    #[test]
    fn a_damaged_line_is_named() {
        let good = CSV.lines().next().unwrap();
        assert!(sample(1, good).is_ok());
        for bad in [String::new(), format!("{good},1"), good.replacen('0', "17", 1), good.replacen(',', ";", 1)] {
            assert!(sample(3, &bad).is_err_and(|error| error.to_string().contains("line 3")), "{bad}");
        }
    }
}
