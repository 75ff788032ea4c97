//! Every configuration of a space, once: counted, and each found by its number without listing the others.
//!
//! The last parameter varies fastest. Configurations that differ only in parameters that are not active are one and
//! the same.

use bandmaster_record::{Param, Params};

use crate::fault::Fault;
use crate::space::{Parameter, Space};

/// Why a space has no grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// A parameter whose values are not a list.
    #[error("space.{parameter}: {fault}", fault = Fault::NotListed)]
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
