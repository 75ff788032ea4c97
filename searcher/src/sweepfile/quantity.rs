//! Spans of time and sizes of memory, as Slurm and people write them.

use bandmaster_record::Seconds;

/// Longer is no limit but a slip: a hundred years.
const LONGEST: f64 = 100.0 * 366.0 * 86_400.0;

/// `90s`, `10m`, `1h30m`, `2d`; or as Slurm: `30:00` (minutes and seconds), `00:30:00`, `1-12`, `1-12:00`,
/// `1-12:00:00`. A bare number is refused: to Slurm it is minutes, to most people seconds.
///
/// # Errors
/// The rest of a sentence that begins with what was read.
pub fn duration(text: &str) -> Result<Seconds, String> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "needs a unit: \"{text}\" could be seconds or minutes; \"{text}s\", \"{text}m\" or \"{text}h\" cannot be mistaken"
        ));
    }
    let parsed = if text.contains([':', '-']) { as_slurm(text) } else { as_people(text) };
    match parsed {
        None => Err(format!(
            "cannot be read as a span of time: \"{text}\"; written are \"90s\", \"10m\", \"1h30m\", \"2d\", \"00:30:00\", \"1-12:00:00\""
        )),
        Some(seconds) if seconds <= 0.0 => Err("must be longer than nothing".to_owned()),
        Some(seconds) if seconds > LONGEST => Err("is longer than a hundred years".to_owned()),
        Some(seconds) => Ok(Seconds(seconds)),
    }
}

/// Digits alone, as a number.
fn digits(text: &str) -> Option<f64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn as_slurm(text: &str) -> Option<f64> {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(digits(days)?), rest),
        None => (None, text),
    };
    let fields = rest.split(':').map(digits).collect::<Option<Vec<_>>>()?;
    let clock = match (days.is_some(), fields.as_slice()) {
        (true, [h]) => h * 3600.0,
        (true, [h, m]) if *m < 60.0 => h * 3600.0 + m * 60.0,
        (false, [m, s]) if *s < 60.0 => m * 60.0 + s,
        (_, [h, m, s]) if *m < 60.0 && *s < 60.0 => h * 3600.0 + m * 60.0 + s,
        _ => return None,
    };
    Some(days.unwrap_or_default() * 86_400.0 + clock)
}

fn as_people(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    let mut last = f64::INFINITY;
    while !rest.is_empty() {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_ends);
        let unit_ends = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_ends);
        let scale = match unit {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        // 30m1h or 5m5m is a slip.
        if scale >= last {
            return None;
        }
        last = scale;
        total += number.parse::<f64>().ok()? * scale;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

/// Seconds as a person reads them: `00:30:00`, `1-12:00:00`; below a second with its fraction.
pub fn clock(seconds: Seconds) -> String {
    if seconds.0 < 1.0 {
        return format!("{}ms", (seconds.0 * 1000.0).round());
    }
    let whole = seconds.0.round() as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    if days > 0 { format!("{days}-{hours:02}:{minutes:02}:{rest:02}") } else { format!("{hours:02}:{minutes:02}:{rest:02}") }
}

/// Bytes: `2G`, `512M`, `1.5G`, `2GiB`; K, M, G and T are powers of 1024, as Slurm has them. A bare number is refused:
/// to Slurm it is megabytes, to others bytes.
///
/// # Errors
/// The rest of a sentence that begins with what was read.
pub fn memory(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let ends = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(ends);
    let unreadable = || format!("cannot be read as a size of memory: \"{text}\"; written are \"512M\", \"2G\", \"1.5T\"");
    let number: f64 = number.parse().map_err(|_| unreadable())?;
    let power = match unit.strip_suffix("iB").unwrap_or(unit) {
        "" => return Err(format!("needs a unit: \"{text}\" could be bytes or megabytes; \"{text}M\" or \"{text}G\" cannot be mistaken")),
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(unreadable()),
    };
    let bytes = number * f64::from(1024).powi(power);
    if bytes < 1.0 {
        Err("must be more than nothing".to_owned())
    } else if bytes > 1e18 {
        Err("is more memory than any machine has".to_owned())
    } else {
        Ok(bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn time_is_read_as_slurm_and_as_people_write_it() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("10m", 600.0),
            ("1h30m", 5400.0),
            ("1h 30m", 5400.0),
            ("2d", 172_800.0),
            ("250ms", 0.25),
            ("1.5h", 5400.0),
            ("00:30:00", 1800.0),
            ("30:00", 1800.0),
            ("100:00:00", 360_000.0),
            ("1-12", 129_600.0),
            ("1-12:30", 131_400.0),
            ("1-12:00:00", 129_600.0),
        ] {
            assert_eq!(duration(text), Ok(Seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn what_could_be_meant_in_two_ways_is_refused() {
        for bad in [
            "",
            "30",
            "1.5",
            "soon",
            "10 parsecs",
            "30m1h",
            "5m5m",
            "00:61:00",
            "00:00:60",
            "-5m",
            "1-",
            "1--2",
            "0s",
            "00:00:00",
            "1:2:3:4",
            "9e9d",
            "..s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("30").unwrap_err().contains("\"30m\""));
        for bad in ["", "2048", "2GB", "2 G", "G", "-1G", "0M", "1e3G", "2g", "99999999T"] {
            assert!(memory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn memory_counts_in_powers_of_1024() {
        for (text, bytes) in [("2G", 2 << 30), ("512M", 512 << 20), ("1.5G", 3 << 29), ("1K", 1024), ("1TiB", 1 << 40)] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(seconds in 1u32..100_000_000) {
            prop_assert_eq!(duration(&clock(Seconds(f64::from(seconds)))), Ok(Seconds(f64::from(seconds))));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = duration(&text);
            let _ = memory(&text);
        }
    }
}
