//! Stochastic gradient descent with momentum and weight decay.

/// One step's settings.
pub(crate) struct Step {
    /// The learning rate at this step.
    pub(crate) rate: f32,
    /// How much of the last step is kept, in [0, 1).
    pub(crate) momentum: f32,
    /// The penalty on large parameters, a factor of the parameters in the gradient.
    pub(crate) weight_decay: f32,
}

impl Step {
    /// Moves the parameters by the gradient of the **summed** loss over `samples` samples.
    pub(crate) fn take(&self, parameters: &mut [f32], velocity: &mut [f32], gradient: &[f32], samples: usize) {
        let mean = 1.0 / samples as f32;
        for ((parameter, velocity), gradient) in parameters.iter_mut().zip(velocity).zip(gradient) {
            *velocity = self.momentum * *velocity + (mean * gradient + self.weight_decay * *parameter);
            *parameter -= self.rate * *velocity;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let step = Step { rate: 0.5, momentum: 0.5, weight_decay: 0.25 };
        let (mut parameters, mut velocity) = ([4.0], [0.0]);
        step.take(&mut parameters, &mut velocity, &[8.0], 4);
        assert_eq!((parameters, velocity), ([2.5], [3.0]));
        step.take(&mut parameters, &mut velocity, &[0.0], 4);
        assert_eq!((parameters, velocity), ([1.4375], [2.125]));
    }
}
