//! The frame: one record, one line, `{"crc":"1a2b3c4d","r":{…}}`, with the CRC-32 (IEEE) of the bytes of `r`.
//!
//! It can be read with less and jq. A line without its newline is a torn tail: its writer is not done, or died. A line
//! that is whole and wrong is damage, and is reported, never passed over in silence.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Timestamp;

/// One kind of record among those of a journal.
pub trait Record: Serialize + DeserializeOwned {
    /// All that stand in `kind`.
    const KINDS: &[&str];
    /// Keeps a record of a kind that is not among them.
    fn unknown(kept: serde_json::Value) -> Self;
}

/// What every record carries beside its own fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Envelope<R> {
    /// The version of the record's format.
    pub v: u32,
    /// The record's number in its journal, from 1, without gaps.
    pub seq: u64,
    /// When its writer's wall clock said it was written.
    pub at: Timestamp,
    /// The record itself, told apart by its `kind`.
    #[serde(flatten)]
    pub record: R,
}

/// What a line holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<R> {
    /// The record with its number and time.
    pub envelope: Envelope<R>,
    /// The line's length in bytes, its newline counted.
    pub bytes: usize,
}

/// A line that is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes are not those that were written.
    #[error("the checksum does not match: the bytes are not those that were written")]
    Checksum,
    /// No frame at all.
    #[error("not a frame: {0}")]
    Shape(String),
    /// A record of a version that this build does not know.
    #[error("a record of version {0}, this build reads up to version {known}: use a newer bandmaster", known = crate::RECORD_VERSION)]
    Newer(u32),
}

const HEAD: &str = "{\"crc\":\"";
const MIDDLE: &str = "\",\"r\":";

/// Appends the record's frame, newline included, to `line`.
pub fn encode_frame<R: Serialize>(envelope: &Envelope<R>, line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let start = line.len();
    line.extend_from_slice(HEAD.as_bytes());
    line.extend_from_slice(b"00000000");
    line.extend_from_slice(MIDDLE.as_bytes());
    let body = line.len();
    if let Err(error) = serde_json::to_writer(&mut *line, envelope) {
        line.truncate(start);
        return Err(error);
    }
    let crc = format!("{:08x}", crc32fast::hash(line.get(body..).unwrap_or_default()));
    let at = start + HEAD.len();
    if let Some(place) = line.get_mut(at..at + 8) {
        place.copy_from_slice(crc.as_bytes());
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

#[derive(Deserialize)]
struct Outer<'a> {
    crc: &'a str,
    #[serde(borrow)]
    r: &'a RawValue,
}

/// The checksum and the record of a line written by [`encode_frame`], which need not be parsed to be told apart.
fn plain_parts(line: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(line).ok()?;
    let (crc, rest) = text.strip_prefix(HEAD)?.split_at_checked(8)?;
    Some((crc, rest.strip_prefix(MIDDLE)?.strip_suffix('}')?))
}

/// Reads one line, given without its newline.
pub fn decode_frame<R: Record>(line: &[u8]) -> Result<Frame<R>, FrameError> {
    #[derive(Deserialize)]
    struct Head<'a> {
        v: u32,
        seq: u64,
        at: Timestamp,
        #[serde(borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    let shape = |error: serde_json::Error| FrameError::Shape(error.to_string());
    let (crc, body) = match plain_parts(line) {
        Some(parts) => parts,
        None => {
            let outer: Outer<'_> = serde_json::from_slice(line).map_err(shape)?;
            (outer.crc, outer.r.get())
        }
    };
    let crc = u32::from_str_radix(crc, 16).map_err(|_| FrameError::Checksum)?;
    if crc32fast::hash(body.as_bytes()) != crc {
        return Err(FrameError::Checksum);
    }
    let Head { v, seq, at, kind } = serde_json::from_str(body).map_err(shape)?;
    if v > crate::RECORD_VERSION {
        return Err(FrameError::Newer(v));
    }
    let record = if R::KINDS.contains(&kind.as_ref()) {
        serde_json::from_str(body).map_err(shape)?
    } else {
        R::unknown(serde_json::from_str(body).map_err(shape)?)
    };
    Ok(Frame { envelope: Envelope { v, seq, at, record }, bytes: line.len() + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttemptNo, AttemptRef, Grant, Number, Resource, RungNo, SlotRecord, TrialId};
    use proptest::prelude::*;

    fn report(value: f64) -> Envelope<SlotRecord> {
        Envelope {
            v: 1,
            seq: 7,
            at: Timestamp(1_700_000_000_123),
            record: SlotRecord::Report {
                attempt: AttemptRef { trial: TrialId(42), rung: RungNo(1), grant: Grant(1), attempt: AttemptNo(2) },
                resource: Resource(3),
                metrics: [("val_loss".to_owned(), Number(value))].into(),
            },
        }
    }

    #[test]
    fn a_frame_is_one_line_that_jq_reads() {
        let mut line = Vec::new();
        encode_frame(&report(0.21), &mut line).unwrap();
        let text = String::from_utf8(line).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["r"]["kind"], "report");
        assert_eq!(json["r"]["metrics"]["val_loss"], 0.21);
    }

    #[test]
    fn blanks_around_the_record_change_nothing() {
        let mut line = Vec::new();
        encode_frame(&report(0.21), &mut line).unwrap();
        let text = String::from_utf8(line).unwrap();
        let spaced = text.trim_end().replacen(":", " : ", 1).replacen(MIDDLE, "\", \"r\": ", 1);
        let frame: Frame<SlotRecord> = decode_frame(spaced.as_bytes()).unwrap();
        assert_eq!(frame.envelope, report(0.21));
    }

    #[test]
    fn an_unknown_kind_is_kept() {
        let mut line = Vec::new();
        let body = serde_json::json!({"kind": "from_the_future", "colour": "green", "attempt": {"trial": 1}});
        encode_frame(&Envelope { v: 1, seq: 1, at: Timestamp(0), record: body.clone() }, &mut line).unwrap();
        let frame: Frame<SlotRecord> = decode_frame(line.strip_suffix(b"\n").unwrap()).unwrap();
        let SlotRecord::Unknown(kept) = frame.envelope.record else { panic!("known?") };
        assert_eq!(kept["kind"], "from_the_future");
        assert_eq!(kept["colour"], "green");
    }

    #[test]
    fn a_known_kind_with_a_wrong_field_is_damage_and_not_unknown() {
        let mut line = Vec::new();
        let body = serde_json::json!({"kind": "slot_ended", "why": 7});
        encode_frame(&Envelope { v: 1, seq: 1, at: Timestamp(0), record: body }, &mut line).unwrap();
        assert!(matches!(decode_frame::<SlotRecord>(line.strip_suffix(b"\n").unwrap()), Err(FrameError::Shape(_))));
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_passes_for_a_record(value in any::<f64>(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut line = Vec::new();
            encode_frame(&report(value), &mut line).unwrap();
            line.pop();
            let good: Frame<SlotRecord> = decode_frame(&line).unwrap();
            let at = at.index(line.len());
            line[at] ^= 1 << bit;
            // A changed case of the checksum's own digits still says the same.
            if let Ok(same) = decode_frame::<SlotRecord>(&line) {
                prop_assert_eq!(serde_json::to_string(&same.envelope).unwrap(), serde_json::to_string(&good.envelope).unwrap());
            }
        }
    }
}
