//! Every mistake is found, at its place, in words that say what to write.

use super::*;
use crate::{Method, Spec, configuration};
use bandmaster_record::{Goal, Resource, TrialId};
use proptest::prelude::*;

/// The parameters as journals hold them.
fn space(json: &str) -> Space {
    serde_json::from_str(&format!("{{\"parameters\":[{json}]}}")).unwrap()
}

fn mistakes(json: &str) -> Vec<String> {
    space(json).mistakes().iter().map(ToString::to_string).collect()
}

/// The mistakes of one parameter `p` with that domain.
fn of(domain: Domain) -> Vec<String> {
    let parameters = vec![Parameter { name: "p".to_owned(), domain, when: Default::default() }];
    Space { parameters }.mistakes().iter().map(ToString::to_string).collect()
}

#[test]
fn the_documented_space_is_without_mistakes() {
    let text = r#"
        {"name":"lr","domain":{"log_uniform":{"low":0.0001,"high":1.0}}},
        {"name":"layers","domain":{"int":{"low":1,"high":3,"step":1}}},
        {"name":"hidden","domain":{"log_int":{"low":16,"high":256}}},
        {"name":"batch","domain":{"choice":[16,32,64]}},
        {"name":"warmup","domain":{"constant":2}},
        {"name":"dropout","domain":{"uniform":{"low":0.0,"high":0.5,"step":0.05}},"when":{"layers":[2,3.0],"warmup":[2]}},
        {"name":"depth-wise.x","domain":{"choice":[true,"a"]},"when":{"dropout":[0,0.15]}}"#;
    assert_eq!(mistakes(text), [""; 0]);
}

#[test]
fn ranges_that_cannot_stand_are_told() {
    let uniform = |low, high, step| of(Domain::Uniform { low, high, step });
    let log = |low, high| of(Domain::LogUniform { low, high });
    let int = |low, high, step| of(Domain::Int { low, high, step });
    assert_eq!(uniform(1.0, 0.5, None), ["space.p: the range is upside down: write [0.5, 1.0]"]);
    assert_eq!(
        uniform(f64::NAN, f64::NEG_INFINITY, Some(0.1)),
        ["space.p: the low end is NaN, and must be a finite number", "space.p: the high end is -inf, and must be a finite number"]
    );
    assert_eq!(uniform(0.0, 1.0, Some(0.0)), ["space.p: the step is 0.0, and must be above 0"]);
    assert_eq!(uniform(0.0, 1.0, Some(f64::NAN)), ["space.p: the step is NaN, and must be a finite number"]);
    assert_eq!(
        uniform(0.0, 1.0, Some(1.5)),
        ["space.p: the step 1.5 is wider than the range, so that only 0.0 would be taken: write a smaller step, or a constant"]
    );
    assert_eq!(
        uniform(0.0, 1.0, Some(1e-18)),
        ["space.p: the step 1e-18 is lost in the rounding of numbers as large as this range's: write a larger step, or none"]
    );
    assert_eq!(log(0.0, 1.0), ["space.p: a logarithmic range cannot begin at 0: write a low end above 0, such as 1e-6"]);
    assert_eq!(log(1.0, -1.0), ["space.p: the range is upside down: write [-1.0, 1.0]"]);
    assert_eq!(int(3, 1, 1), ["space.p: the range is upside down: write [1, 3]"]);
    assert_eq!(int(1, 3, 0), ["space.p: the step is 0, and must be above 0"]);
    assert_eq!(int(1, 3, 3).len(), 1);
    assert_eq!(
        of(Domain::LogInt { low: 0, high: 4 }),
        ["space.p: a logarithmic range cannot begin at 0: write a low end above 0, 1 or more"]
    );
    for good in [
        uniform(0.5, 0.5, None),
        uniform(0.5, 0.5, Some(0.1)),
        uniform(0.0, 1.0, Some(1.0)),
        uniform(f64::MIN, f64::MAX, None),
        log(5e-324, f64::MAX),
        int(i64::MIN, i64::MAX, i64::MAX),
        int(3, 3, 7),
        of(Domain::LogInt { low: 1, high: i64::MAX }),
    ] {
        assert_eq!(good, [""; 0]);
    }
}

#[test]
fn values_that_cannot_stand_are_told() {
    let text = |text: &str| Param::Text(text.to_owned());
    assert_eq!(of(Domain::Choice(Vec::new())), ["space.p: there is nothing to choose from: write at least one value"]);
    assert_eq!(
        of(Domain::Choice(vec![Param::Int(1), text("1"), Param::Float(1.0), Param::Float(f64::INFINITY)])),
        ["space.p: the value is inf, and must be a finite number", "space.p: 1.0 stands here twice: leave one out"]
    );
    assert_eq!(of(Domain::Constant(text("a\0b"))), ["space.p: a text with a zero byte cannot be a command's argument"]);
}

#[test]
fn names_that_no_command_can_hold_are_told() {
    let named = |name: &str| mistakes(&format!(r#"{{"name":"{name}","domain":{{"constant":1}}}}"#));
    assert_eq!(named("seed"), ["space.seed: it cannot be called `seed`: in a command, this placeholder stands for something else"]);
    for bad in ["", "a b", "a{b", "}", "-lr", "target", "resume_from", "max_resource", "trial", "ä"] {
        assert_eq!(named(bad).len(), 1, "{bad}");
    }
    let twice = r#"{"name":"a","domain":{"constant":1}},{"name":"a","domain":{"constant":2}}"#;
    assert_eq!(mistakes(twice), ["space.a: there are two parameters of this name: rename one"]);
}

#[test]
fn conditions_that_never_hold_are_told() {
    let text = r#"
        {"name":"lr","domain":{"uniform":{"low":0.0,"high":1.0}}},
        {"name":"layers","domain":{"int":{"low":1,"high":5,"step":2}}},
        {"name":"a","domain":{"constant":1},"when":{"layer":[1]}},
        {"name":"b","domain":{"constant":1},"when":{"layers":[]}},
        {"name":"c","domain":{"constant":1},"when":{"layers":[1,2,"3"]}},
        {"name":"d","domain":{"constant":1},"when":{"lr":[0.5]}}"#;
    assert_eq!(
        mistakes(text),
        [
            "space.a.when.layer: there is no parameter `layer`",
            "space.b.when.layers: no value is named, so that the parameter would never be active: write the values of `layers` for which it is",
            "space.c.when.layers: `layers` is never 2",
            "space.c.when.layers: `layers` is never 3",
            "space.d.when.lr: `lr` takes any number of its range and hardly ever this one: give it a step, or make it a choice",
        ]
    );
    // A mistake in the other parameter is told once, there.
    let text = r#"{"name":"a","domain":{"choice":[]}},{"name":"b","domain":{"constant":1},"when":{"a":[1]}}"#;
    assert_eq!(mistakes(text), ["space.a: there is nothing to choose from: write at least one value"]);
}

#[test]
fn each_circle_of_conditions_is_told_once() {
    let one = |name: &str, needs: &str| format!(r#"{{"name":"{name}","domain":{{"constant":1}},"when":{{"{needs}":[1]}}}}"#);
    let text = [one("before", "b"), one("a", "b"), one("b", "c"), one("c", "a"), one("x", "x")].join(",");
    assert_eq!(
        mistakes(&text),
        ["space.a.when.b: the condition needs itself: a needs b needs c needs a", "space.x.when.x: the condition needs itself: x needs x",]
    );
}

fn domain() -> impl Strategy<Value = Domain> {
    let float = || prop_oneof![any::<f64>(), -2.0..2.0, Just(0.0), Just(0.1)];
    let whole = || prop_oneof![any::<i64>(), -3..9_i64];
    prop_oneof![
        (float(), float(), proptest::option::of(float())).prop_map(|(low, high, step)| Domain::Uniform { low, high, step }),
        (float(), float()).prop_map(|(low, high)| Domain::LogUniform { low, high }),
        (whole(), whole(), whole()).prop_map(|(low, high, step)| Domain::Int { low, high, step }),
        (whole(), whole()).prop_map(|(low, high)| Domain::LogInt { low, high }),
        prop::collection::vec(whole().prop_map(Param::Int), 0..4).prop_map(Domain::Choice),
        float().prop_map(|value| Domain::Constant(Param::Float(value))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_without_mistakes_draws_only_its_values(domain in domain(), seed: u64) {
        let parameters = vec![Parameter { name: "p".to_owned(), domain: domain.clone(), when: Default::default() }];
        let space = Space { parameters };
        let wrong = !space.mistakes().is_empty();
        let spec = Spec { seed, goal: Goal::Minimize, method: Method::Random { max_resource: Resource(1), trials: 1 }, space, retries: 0 };
        let drawn = configuration(&spec, TrialId(0)).remove("p").unwrap();
        if wrong {
            return Ok(());
        }
        match (&domain, &drawn) {
            (Domain::Uniform { low, high, step: None } | Domain::LogUniform { low, high }, Param::Float(drawn)) => {
                prop_assert!((low..=high).contains(&drawn));
            }
            _ => prop_assert!(domain.index_of(&drawn).is_some(), "{} of {:?}", drawn, domain),
        }
    }
}
