//! The ledger against journals that are written as a searcher and its slots write them.

#[cfg(test)]
mod check;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod fold;
#[cfg(test)]
mod pen;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod story;
