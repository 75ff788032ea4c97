//! The mistakes that a space can have, in words: what is wrong, and what to write instead.

use bandmaster_record::Param;

/// One mistake.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("space.{parameter}{}: {fault}", .condition.as_ref().map(|other| format!(".when.{other}")).unwrap_or_default())]
pub struct SpaceMistake {
    /// The parameter that it stands in.
    pub parameter: String,
    /// The other parameter of the condition that is wrong; `None` where it is the parameter's name or domain.
    pub condition: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with a parameter.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A name that cannot stand in a command.
    #[error("it cannot be called `{name}`: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// A name that stands twice.
    #[error("there are two parameters of this name: rename one")]
    Twice,
    /// NaN or an infinity.
    #[error("{what} is {value}, and must be a finite number")]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// It.
        value: f64,
    },
    /// The low end above the high end.
    #[error("the range is upside down: write [{high}, {low}]")]
    UpsideDown {
        /// What stands first.
        low: String,
        /// What stands second.
        high: String,
    },
    /// A logarithmic range from zero or below.
    #[error("a logarithmic range cannot begin at {low}: write a low end above 0{}", if *.whole { ", 1 or more" } else { ", such as 1e-6" })]
    LogFromZero {
        /// Its low end.
        low: String,
        /// Whether it is a range of whole numbers.
        whole: bool,
    },
    /// A step of zero or below.
    #[error("the step is {step}, and must be above 0")]
    StepNotPositive {
        /// The step.
        step: String,
    },
    /// A step beyond the range.
    #[error("the step {step} is wider than the range, so that only {low} would be taken: write a smaller step, or a constant")]
    StepTooWide {
        /// The step.
        step: String,
        /// The low end.
        low: String,
    },
    /// A step that floats of this size cannot tell.
    #[error("the step {step} is lost in the rounding of numbers as large as this range's: write a larger step, or none")]
    StepTooFine {
        /// The step.
        step: String,
    },
    /// A choice of nothing.
    #[error("there is nothing to choose from: write at least one value")]
    NothingToChoose,
    /// A value that stands twice.
    #[error("{value} stands here twice: leave one out")]
    Repeated {
        /// The value.
        value: Param,
    },
    /// A text that no command can hold.
    #[error("a text with a zero byte cannot be a command's argument")]
    ZeroByte,
    /// A condition on nothing.
    #[error("there is no parameter `{other}`")]
    UnknownParameter {
        /// The name.
        other: String,
    },
    /// A condition that needs itself.
    #[error("the condition needs itself: {}", .chain.join(" needs "))]
    Circular {
        /// From the parameter back to itself.
        chain: Vec<String>,
    },
    /// A condition without values.
    #[error("no value is named, so that the parameter would never be active: write the values of `{other}` for which it is")]
    NoValue {
        /// The other parameter.
        other: String,
    },
    /// A condition on a value that never occurs.
    #[error("`{other}` is never {value}")]
    NeverTaken {
        /// The other parameter.
        other: String,
        /// The value.
        value: Param,
    },
    /// A condition on a parameter that takes any number of a range.
    #[error("`{other}` takes any number of its range and hardly ever this one: give it a step, or make it a choice")]
    ContinuousCondition {
        /// The other parameter.
        other: String,
    },
}
