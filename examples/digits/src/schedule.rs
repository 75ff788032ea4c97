//! The learning rate: a linear warm-up, then half a cosine down to zero.
//!
//! It ends at the **final** resource R, not at the target of the rung. A trial that is promoted goes on where the
//! schedule stood; one that ended its schedule at each rung would be another training, and its rungs could not be
//! compared with a training that ran through.

use std::f64::consts::PI;

/// The learning rate as a function of the step alone, so that its position is the number of steps done.
pub(crate) struct Schedule {
    peak: f64,
    warmup: u64,
    total: u64,
}

impl Schedule {
    /// Up to `peak` within `warmup` epochs, down to zero at `max_epochs`, with so many steps an epoch.
    pub(crate) fn new(peak: f64, warmup: u64, max_epochs: u64, steps_per_epoch: u64) -> Self {
        let total = max_epochs.saturating_mul(steps_per_epoch);
        Self { peak, warmup: warmup.saturating_mul(steps_per_epoch).min(total), total }
    }

    /// The rate of the step that follows `done` steps.
    pub(crate) fn rate(&self, done: u64) -> f64 {
        if done < self.warmup {
            self.peak * (done + 1) as f64 / self.warmup as f64
        } else if done < self.total {
            let progress = (done - self.warmup) as f64 / (self.total - self.warmup) as f64;
            self.peak * 0.5 * (1.0 + libm::cos(PI * progress))
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_peak_and_falls_to_zero() {
        let schedule = Schedule::new(0.4, 2, 27, 10);
        assert!((schedule.rate(0) - 0.02).abs() < 1e-12);
        assert_eq!((schedule.rate(19), schedule.rate(20)), (0.4, 0.4));
        let rates: Vec<f64> = (20..=270).map(|step| schedule.rate(step)).collect();
        assert!(rates.windows(2).all(|pair| pair[0] > pair[1]));
        assert!(rates[rates.len() - 2] > 0.0);
        assert_eq!(schedule.rate(270), 0.0);
    }

    #[test]
    fn a_warm_up_beyond_the_end_is_cut() {
        let schedule = Schedule::new(1.0, 5, 1, 4);
        assert_eq!([0, 1, 2, 3, 4].map(|step| schedule.rate(step)), [0.25, 0.5, 0.75, 1.0, 0.0]);
    }
}
