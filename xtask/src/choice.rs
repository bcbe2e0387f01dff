//! Which parts of a command are wanted, and which must not be missing.

/// What `--only`, `--require` and `--list` said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    only: Option<Vec<String>>,
    required: Vec<String>,
    all_required: bool,
    pub(crate) list: bool,
}

impl Choice {
    /// # Errors
    /// A sentence for the person who typed it: an unknown option, or a name that is none of `known`.
    pub(crate) fn parse(arguments: &[String], known: &[&str]) -> Result<Self, String> {
        let mut choice = Self::default();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(argument) = rest.next() {
            let (option, joined) = argument.split_once('=').map_or((argument, None), |(o, v)| (o, Some(v)));
            let mut names = || match joined.or_else(|| rest.next()) {
                Some(names) => Ok(names.split(',').map(str::to_owned).collect::<Vec<_>>()),
                None => Err(format!("{option} needs the name of a part: {}", known.join(", "))),
            };
            match option {
                "--list" => choice.list = true,
                "--only" => choice.only = Some(names()?),
                "--require" => choice.required = names()?,
                _ => {
                    return Err(format!("{option} is no option here; there are --only, --require and --list"));
                }
            }
        }
        choice.all_required = choice.required.iter().any(|name| name == "all");
        choice.required.retain(|name| name != "all");
        let named = choice.only.iter().flatten().chain(&choice.required);
        match named.into_iter().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(format!("there is no part {unknown:?}; there are {}", known.join(", "))),
            None => Ok(choice),
        }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name))
    }

    pub(crate) fn requires(&self, name: &str) -> bool {
        self.all_required || self.required.iter().any(|required| required == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Choice;

    fn parse(arguments: &[&str]) -> Result<Choice, String> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Choice::parse(&arguments, &["rust-tests", "fuzz"])
    }

    #[test]
    fn with_nothing_said_all_is_wanted_and_nothing_required() {
        let choice = parse(&[]).unwrap();
        assert!(choice.wants("rust-tests") && choice.wants("fuzz"));
        assert!(!choice.requires("fuzz") && !choice.list);
    }

    #[test]
    fn only_leaves_the_others_out() {
        let choice = parse(&["--only", "fuzz"]).unwrap();
        assert!(choice.wants("fuzz") && !choice.wants("rust-tests"));
        assert_eq!(parse(&["--only=fuzz"]).unwrap(), choice);
    }

    #[test]
    fn require_takes_all_or_names() {
        assert!(parse(&["--require", "all"]).unwrap().requires("rust-tests"));
        let named = parse(&["--require", "fuzz"]).unwrap();
        assert!(named.requires("fuzz") && !named.requires("rust-tests"));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for arguments in [["--only", "fuz"], ["--require", "al"], ["--fast", "x"]] {
            assert!(parse(&arguments).is_err(), "{arguments:?}");
        }
        assert!(parse(&["--only"]).is_err());
    }
}
