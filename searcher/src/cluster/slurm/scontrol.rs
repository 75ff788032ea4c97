//! What scontrol says of the site: how large an array may be.

/// A site's limits, as far as they shape what is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `MaxArraySize`: an index must be below it.
    pub max_array_size: u32,
    /// `max_array_tasks` of `SchedulerParameters`: so many tasks an array, where the site says so.
    pub max_array_tasks: Option<u32>,
}

impl Limits {
    /// Slurm's own default, for a site that does not say.
    const DEFAULT: u32 = 1001;

    /// The most tasks of one array whose indices begin at 0; none where the site has no arrays.
    pub fn tasks(&self) -> u32 {
        self.max_array_tasks.map_or(self.max_array_size, |tasks| tasks.min(self.max_array_size))
    }
}

/// The arguments that show a site's configuration.
pub fn arguments() -> Vec<String> {
    ["show", "config"].map(str::to_owned).to_vec()
}

/// Reads the configuration.
pub fn parse(text: &str) -> Limits {
    let value = |key: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        lines.into_iter().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
    };
    let scheduler = value("SchedulerParameters").unwrap_or_default();
    let tasks = scheduler.split(',').find_map(|word| word.trim().strip_prefix("max_array_tasks=")).and_then(|tasks| tasks.parse().ok());
    Limits { max_array_size: value("MaxArraySize").and_then(|size| size.parse().ok()).unwrap_or(Limits::DEFAULT), max_array_tasks: tasks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_smaller_limit_holds() {
        let text =
            "Configuration data as of …\nMaxArraySize            = 2001\nSchedulerParameters     = bf_interval=1,max_array_tasks=500\n";
        assert_eq!(parse(text), Limits { max_array_size: 2001, max_array_tasks: Some(500) });
        assert_eq!(parse(text).tasks(), 500);
        assert_eq!(parse("MaxArraySize = 0\n").tasks(), 0);
    }

    #[test]
    fn a_site_that_does_not_say_has_slurms_default() {
        assert_eq!(parse("SchedulerParameters = (null)\n"), Limits { max_array_size: 1001, max_array_tasks: None });
    }

    proptest! {
        #[test]
        fn no_answer_panics(text in any::<Vec<u8>>()) {
            let _ = parse(&String::from_utf8_lossy(&text));
        }
    }
}
