//! The command that trains a trial again, from nothing to a resource: what a person pastes into a shell.

use std::collections::BTreeMap;

use bandmaster_record::{Command, Params, TrialSettings};

/// How to train a trial once more, without Bandmaster.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// The argv.
    pub command: Vec<String>,
    /// The working directory.
    pub directory: String,
    /// What the environment must hold besides.
    pub environment: BTreeMap<String, String>,
    setup: Vec<String>,
    /// The configuration as JSON, for a trial that takes no parameter from its command line.
    params: Option<String>,
}

/// What is trained again.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// The trial's name.
    pub name: &'a str,
    /// Its configuration.
    pub params: &'a Params,
    /// Its seed.
    pub seed: u64,
    /// How far.
    pub target: u64,
    /// The sweep's R.
    pub max_resource: u64,
}

impl Again {
    /// How `settings` run that training; nothing where a placeholder has no value, as in the record of another version.
    pub fn of(settings: &TrialSettings, training: &Training<'_>) -> Option<Self> {
        let Training { name, params, seed, target, max_resource } = *training;
        let value = |placeholder: &str| match placeholder {
            "target" => Some(target.to_string()),
            "max_resource" => Some(max_resource.to_string()),
            "seed" => Some(seed.to_string()),
            "trial" => Some(name.to_owned()),
            "resume_from" => None,
            parameter => params.get(parameter).map(ToString::to_string),
        };
        let mut environment = settings.environment.clone();
        let given = [("TRIAL", "trial"), ("SEED", "seed"), ("TARGET", "target"), ("MAX_RESOURCE", "max_resource")];
        environment.extend(given.iter().filter_map(|(variable, of)| Some((format!("BANDMASTER_{variable}"), value(of)?))));
        Some(Self {
            command: settings.command.expand(&value).ok()?,
            directory: settings.directory.clone(),
            environment,
            setup: settings.setup.clone(),
            params: (!takes_parameters(&settings.command, params)).then(|| serde_json::to_string(params).ok()).flatten(),
        })
    }

    /// One line for bash.
    pub fn line(&self) -> String {
        let mut line = format!("cd {} && ", quoted(&self.directory));
        for setup in &self.setup {
            line.push_str(&format!("{setup} && "));
        }
        for (name, value) in &self.environment {
            line.push_str(&format!("{name}={} ", quoted(value)));
        }
        if let Some(params) = &self.params {
            line.push_str(&format!("BANDMASTER_PARAMS=<(printf %s {}) ", quoted(params)));
        }
        line.push_str(&self.command.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" "));
        line
    }
}

/// Whether a placeholder of the command is one of the parameters.
fn takes_parameters(command: &Command, params: &Params) -> bool {
    use bandmaster_record::Argument;
    let arguments = command.0.iter().flat_map(|argument| match argument {
        Argument::One(text) => std::slice::from_ref(text),
        Argument::Group(group) => group.as_slice(),
    });
    arguments.filter_map(|text| Command::placeholders(text).ok()).flatten().any(|name| params.contains_key(name))
}

/// One word for a POSIX shell, whatever stands in it.
pub fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bandmaster_record::{MetricSource, Param, Seconds};

    fn settings(command: &str) -> TrialSettings {
        TrialSettings {
            command: serde_json::from_str(command).unwrap(),
            setup: vec!["module load cuda".into()],
            environment: [("OMP_NUM_THREADS".to_owned(), "1".to_owned())].into(),
            directory: "/home/ann o'x/digits".into(),
            metric: "val_loss".into(),
            source: MetricSource::Report,
            time: None,
            stop_signal: None,
            stop_grace: Seconds(30.0),
            checkpoint_interval: None,
            gpus: 0,
            cpus: 1,
        }
    }

    fn line(command: &str) -> String {
        let params: Params = [("lr".to_owned(), Param::Float(0.1)), ("tag".to_owned(), Param::Text("a b$(x)".into()))].into();
        let training = Training { name: "digits-1/42", params: &params, seed: 7, target: 9, max_resource: 27 };
        Again::of(&settings(command), &training).unwrap().line()
    }

    /// What bash makes of the line, where `show` prints what it is given.
    fn in_bash(line: &str) -> String {
        let (_, line) = line.split_once("module load cuda && ").unwrap();
        let script = format!(
            "show() {{ printf '%s|' \"$@\" \"$BANDMASTER_TARGET\" \"$OMP_NUM_THREADS\"; cat \"${{BANDMASTER_PARAMS:-/dev/null}}\"; }}; {line}"
        );
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_line_gives_every_value_to_the_program_as_it_was() {
        let line = line(r#"["show", "--lr", "{lr}", "--tag={tag}", ["--resume", "{resume_from}"], "{target}"]"#);
        assert!(line.starts_with(r"cd '/home/ann o'\''x/digits' && module load cuda && BANDMASTER_MAX_RESOURCE=27 "), "{line}");
        assert_eq!(in_bash(&line), "--lr|0.1|--tag=a b$(x)|9|9|1|");
    }

    #[test]
    fn a_trial_that_reads_its_parameters_from_the_file_gets_the_file() {
        assert_eq!(in_bash(&line(r#"["show", "go"]"#)), r#"go|9|1|{"lr":0.1,"tag":"a b$(x)"}"#);
    }
}
