//! Every configuration of a space, once: counted, and each found by its number without listing the others.
//!
//! The last parameter varies fastest. Configurations that differ only in parameters that are not active are one and
//! the same.

use bandmaster_record::{Param, Params};

use crate::space::{Parameter, Space};

/// Why a space has no grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// A parameter whose values are not a list.
    #[error(
        "a grid takes every value of space.{parameter}, which has any number of a range: write a choice, or a uniform range with a step"
    )]
    Continuous {
        /// Which.
        parameter: String,
    },
    /// Too many.
    #[error("the grid has more than {limit} configurations: take fewer values or a larger `step`, or method.kind = \"random\"")]
    TooMany {
        /// The most that are allowed.
        limit: u32,
    },
}

/// A parameter and what the grid must know of it.
struct Axis<'a> {
    parameter: &'a Parameter,
    points: u128,
    /// The values that other parameters' conditions name, by index: with all others, those parameters are inactive.
    named: Vec<(u128, Param)>,
}

/// How many configurations there are.
pub(crate) fn size(space: &Space, limit: u32) -> Result<u32, GridError> {
    let axes = axes(space).map_err(|parameter| GridError::Continuous { parameter: parameter.name.clone() })?;
    let size = count(&axes, &mut Params::new(), limit.into()).ok_or(GridError::TooMany { limit })?;
    Ok(size as u32)
}

/// The configuration of that number, from 0; `None` beyond the last one.
pub(crate) fn configuration(space: &Space, number: u32) -> Option<Params> {
    let axes = axes(space).ok()?;
    let mut chosen = Params::new();
    let mut number = u128::from(number);
    let mut rest = axes.as_slice();
    while let Some((axis, behind)) = rest.split_first() {
        rest = behind;
        if !axis.parameter.is_active(&chosen) {
            continue;
        }
        let (index, within) = axis.locate(behind, &mut chosen, number)?;
        number = within;
        chosen.insert(axis.parameter.name.clone(), axis.parameter.domain.point(index)?);
    }
    (number == 0).then_some(chosen)
}

fn axes(space: &Space) -> Result<Vec<Axis<'_>>, &Parameter> {
    let axis = |parameter| Axis::of(space, parameter).ok_or(parameter);
    space.in_order().into_iter().map(axis).collect()
}

/// How many configurations these axes have behind what is chosen; `None` above the limit. Each step of the search
/// finds at least one configuration, so that the limit bounds the time as well.
fn count(axes: &[Axis<'_>], chosen: &mut Params, limit: u128) -> Option<u128> {
    let Some((axis, behind)) = axes.split_first() else { return Some(1) };
    if !axis.parameter.is_active(chosen) {
        return count(behind, chosen, limit);
    }
    let mut total = 0;
    for (_, value) in &axis.named {
        total += axis.count_with(Some(value), behind, chosen, limit)?;
        if total > limit {
            return None;
        }
    }
    let others = axis.points - axis.named.len() as u128;
    if others > 0 {
        total += axis.count_with(None, behind, chosen, limit)?.checked_mul(others)?;
    }
    (total <= limit).then_some(total)
}

impl<'a> Axis<'a> {
    fn of(space: &'a Space, parameter: &'a Parameter) -> Option<Self> {
        let points = parameter.domain.points().filter(|&points| points > 0)?;
        let conditions = space.parameters.iter().filter_map(|other| other.when.get(&parameter.name));
        let mut named: Vec<_> = conditions.flatten().filter_map(|value| Some((parameter.domain.index_of(value)?, value.clone()))).collect();
        named.sort_by_key(|(index, _)| *index);
        named.dedup_by_key(|(index, _)| *index);
        Some(Self { parameter, points, named })
    }

    /// How many configurations there are behind, with this value, or with one that no condition names.
    fn count_with(&self, value: Option<&Param>, behind: &[Axis<'_>], chosen: &mut Params, limit: u128) -> Option<u128> {
        match value {
            Some(value) => chosen.insert(self.parameter.name.clone(), value.clone()),
            None => chosen.remove(&self.parameter.name),
        };
        let counted = count(behind, chosen, limit);
        chosen.remove(&self.parameter.name);
        counted
    }

    /// The index of the value that the configuration of that number has here, and its number among those which have
    /// the same.
    fn locate(&self, behind: &[Axis<'_>], chosen: &mut Params, mut number: u128) -> Option<(u128, u128)> {
        let limit = u128::from(u32::MAX);
        let mut index = 0;
        let unnamed = if (self.named.len() as u128) < self.points { self.count_with(None, behind, chosen, limit)? } else { 1 };
        for (at, value) in &self.named {
            let before = (at - index) * unnamed;
            if number < before {
                return Some((index + number / unnamed, number % unnamed));
            }
            number -= before;
            let with = self.count_with(Some(value), behind, chosen, limit)?;
            if number < with {
                return Some((*at, number));
            }
            number -= with;
            index = at + 1;
        }
        let behind_last = index + number / unnamed;
        (behind_last < self.points).then_some((behind_last, number % unnamed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Ladder, LadderError, MAX_TRIALS, Method};
    use bandmaster_record::Resource;
    use proptest::prelude::*;

    fn ints(values: &[i64]) -> Vec<Param> {
        values.iter().copied().map(Param::Int).collect()
    }

    fn parameter(name: &str, domain: Domain, when: &[(&str, &[i64])]) -> Parameter {
        let when = when.iter().map(|(other, values)| ((*other).to_owned(), ints(values))).collect();
        Parameter { name: name.to_owned(), domain, when }
    }

    fn choice(values: &[i64]) -> Domain {
        Domain::Choice(ints(values))
    }

    fn all(space: &Space) -> Vec<Params> {
        (0..size(space, MAX_TRIALS).unwrap()).map(|number| configuration(space, number).unwrap()).collect()
    }

    fn written(space: &Space) -> Vec<String> {
        let values = |params: Params| params.values().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        all(space).into_iter().map(values).collect()
    }

    #[test]
    fn the_last_parameter_varies_fastest() {
        let half = Domain::Uniform { low: 0.0, high: 1.0, step: Some(0.5) };
        let space = Space { parameters: vec![parameter("a", choice(&[3, 1]), &[]), parameter("b", half, &[])] };
        assert_eq!(written(&space), ["3 0.0", "3 0.5", "3 1.0", "1 0.0", "1 0.5", "1 1.0"]);
        assert_eq!(configuration(&space, 6), None);
        assert_eq!(configuration(&space, u32::MAX), None);
    }

    #[test]
    fn configurations_that_differ_only_in_what_is_inactive_are_one() {
        let layers = Domain::Int { low: 1, high: 3, step: 1 };
        let parameters = vec![
            parameter("dropout", choice(&[7, 8, 9]), &[("layers", &[2])]),
            parameter("layers", layers, &[]),
            parameter("seeds", choice(&[0]), &[("dropout", &[8])]),
        ];
        // In the order of names: dropout, layers, seeds; layers is chosen first, since dropout needs it.
        assert_eq!(written(&Space { parameters }), ["1", "7 2", "8 2 0", "9 2", "3"]);
    }

    #[test]
    fn an_empty_space_has_one_configuration() {
        assert_eq!(all(&Space::default()), [Params::new()]);
    }

    #[test]
    fn a_range_without_a_list_of_values_has_no_grid() {
        for domain in [Domain::Uniform { low: 0.0, high: 1.0, step: None }, Domain::LogUniform { low: 0.1, high: 1.0 }] {
            let space = Space { parameters: vec![parameter("a", choice(&[1]), &[]), parameter("lr", domain, &[])] };
            let error = Ladder::of(&Method::Grid { max_resource: Resource(1) }, &space).unwrap_err();
            assert_eq!(
                error.to_string(),
                "a grid takes every value of space.lr, which has any number of a range: write a choice, or a uniform range with a step"
            );
        }
    }

    #[test]
    fn a_grid_has_the_ladder_of_its_size_up_to_the_limit() {
        let grid = |high| {
            let of = |name, high| parameter(name, Domain::Int { low: 1, high, step: 1 }, &[]);
            let space = Space { parameters: vec![of("a", 1000), of("b", high)] };
            Ladder::of(&Method::Grid { max_resource: Resource(3) }, &space)
        };
        assert_eq!(grid(1000).unwrap().trials(), MAX_TRIALS);
        let error = grid(1001).unwrap_err();
        assert_eq!(error, LadderError::Grid(GridError::TooMany { limit: MAX_TRIALS }));
        assert_eq!(
            error.to_string(),
            "the grid has more than 1000000 configurations: take fewer values or a larger `step`, or method.kind = \"random\""
        );
        assert!(grid(i64::MAX).is_err());
    }

    #[test]
    fn a_huge_grid_is_refused_without_counting_it() {
        // Each of 64 needs the one before, and each has two values that a condition names: listing them would never end.
        let name = |at: usize| format!("p{at:02}");
        let mut parameters = vec![parameter(&name(0), choice(&[1, 2]), &[])];
        for at in 1..64 {
            parameters.push(parameter(&name(at), choice(&[1, 2]), &[(&name(at - 1), &[1, 2])]));
        }
        assert_eq!(size(&Space { parameters }, MAX_TRIALS), Err(GridError::TooMany { limit: MAX_TRIALS }));
    }

    /// Every combination of all values, inactive ones taken out, each configuration where it comes up first.
    fn by_brute_force(space: &Space) -> Vec<Params> {
        let order = space.in_order();
        let mut found = vec![Params::new()];
        for parameter in &order {
            let values = || (0..parameter.domain.points().unwrap()).map(|index| parameter.domain.point(index).unwrap());
            let with = |params: &Params, value| {
                params.iter().map(|(k, v)| (k.clone(), v.clone())).chain([(parameter.name.clone(), value)]).collect()
            };
            found = found.iter().flat_map(|params| values().map(|value| with(params, value)).collect::<Vec<Params>>()).collect();
        }
        let mut seen = Vec::new();
        for full in found {
            let mut active = Params::new();
            for parameter in &order {
                if parameter.is_active(&active) {
                    active.insert(parameter.name.clone(), full[&parameter.name].clone());
                }
            }
            if !seen.contains(&active) {
                seen.push(active);
            }
        }
        seen
    }

    /// Up to six parameters, with conditions on any other, circles included.
    fn spaces() -> impl Strategy<Value = Space> {
        let domain = prop_oneof![
            (1..4_i64).prop_map(|high| Domain::Int { low: 1, high, step: 1 }),
            prop::sample::subsequence(vec![3, 1, 2], 1..=3).prop_shuffle().prop_map(|values| choice(&values)),
            (1..3_i64).prop_map(|high| Domain::LogInt { low: 1, high }),
            Just(Domain::Uniform { low: 1.0, high: 2.0, step: Some(0.5) }),
            Just(Domain::Constant(Param::Int(1))),
        ];
        let condition = (0..6_u8, prop::sample::subsequence(vec![1, 2, 3, 4], 1..=2));
        let one = (domain, prop::collection::vec(condition, 0..2));
        prop::collection::vec(one, 1..=6).prop_map(|all| {
            let name = |at: u8| format!("p{at}");
            let parameters = (0..).zip(all).map(|(at, (domain, conditions))| Parameter {
                name: name(at),
                domain,
                when: conditions.into_iter().map(|(other, values)| (name(other), ints(&values))).collect(),
            });
            Space { parameters: parameters.collect() }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn a_grid_is_every_combination_once_in_order(space in spaces()) {
            let expected = by_brute_force(&space);
            prop_assert_eq!(size(&space, MAX_TRIALS), Ok(expected.len() as u32));
            prop_assert_eq!(configuration(&space, expected.len() as u32), None);
            prop_assert_eq!(size(&space, expected.len() as u32), Ok(expected.len() as u32));
            if expected.len() > 1 {
                prop_assert!(size(&space, expected.len() as u32 - 1).is_err());
            }
            prop_assert_eq!(all(&space), expected);
        }
    }
}
