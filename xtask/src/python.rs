//! Python environments below target/, made from pinned requirements.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::checkout::{self, Checkout};
use crate::part::Missing;

/// Packages, and what they need: both names end up in messages and in paths.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) name: &'static str,
    /// A file of the checkout.
    pub(crate) requirements: &'static str,
    /// The oldest Python 3 that will do: 12 for 3.12.
    pub(crate) oldest: u8,
}

/// Names one Python for everything, instead of those that would be found.
const CHOSEN: &str = "TOKENVAULT_PYTHON";

/// The versions that the pinned packages were tried with come first.
const NAMES: [&str; 5] = ["python3.13", "python3.12", "python3", "python", "python3.14"];

/// Where version managers keep what is not on the PATH, below the home folder; each holds `VERSION/bin`.
const MANAGED: [&str; 4] =
    [".pyenv/versions", ".local/share/uv/python", ".local/share/mise/installs/python", ".asdf/installs/python"];

impl Environment {
    /// The Python of this environment, which holds what its requirements pin; made where it does not stand yet.
    ///
    /// # Errors
    /// There is no Python with `venv` that is new enough, or the packages cannot be had.
    pub(crate) fn python(&self, checkout: &Checkout) -> Result<PathBuf, Missing> {
        let requirements = self.requirements;
        let pinned = fs::read_to_string(checkout.root.join(requirements)).map_err(|error| {
            Missing::new(format!("{requirements}: {error}"), "restore the file from the repository")
        })?;
        let place = checkout.target.join("python").join(self.name);
        let python = place.join("bin/python");
        // Written last: an environment that was broken off is made anew.
        let stamp = place.join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned)
            && checkout::answers(checkout.command(&python).args(["-c", "pass"]))
        {
            return Ok(python);
        }
        let outer = fit_python(checkout, self.oldest)?;
        let made = checkout::run(checkout.command(outer).args(["-m", "venv", "--clear"]).arg(&place))
            .and_then(|()| {
                let pip =
                    ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements];
                checkout::run(checkout.command(&python).args(pip))
            })
            .and_then(|()| fs::write(&stamp, &pinned).map_err(|error| format!("{}: {error}", stamp.display())));
        match made {
            Ok(()) => Ok(python),
            Err(error) => Err(Missing::new(
                format!("the packages of {requirements} cannot be installed: {error}"),
                "make the Python package index reachable (pip's own words are above), then run this again",
            )),
        }
    }
}

fn fit_python(checkout: &Checkout, oldest: u8) -> Result<PathBuf, Missing> {
    let fit = format!("import sys, venv, ensurepip; sys.exit(sys.version_info < (3, {oldest}))");
    let fits = |python: &PathBuf| checkout::answers(checkout.command(python).args(["-c", &fit]));
    if let Some(chosen) = env::var_os(CHOSEN).map(PathBuf::from) {
        let what = format!("{CHOSEN} names {}, which is no Python 3.{oldest} with venv", chosen.display());
        return if fits(&chosen) { Ok(chosen) } else { Err(Missing::new(what, "name another, or none")) };
    }
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let managed = MANAGED.iter().map(|place| home.join(place)).chain(env::var_os("PYENV_ROOT").map(versions_of));
    let managed: Vec<PathBuf> = managed.flat_map(|place| installed(&place)).collect();
    let on_path = NAMES.iter().map(PathBuf::from);
    on_path.chain(managed).find(fits).ok_or_else(|| {
        Missing::new(
            format!("Python 3.{oldest} or later with its venv module"),
            format!(
                "install it (`apt install python3 python3-venv` where that is new enough, or `pyenv install 3.13`), \
                 or name one in {CHOSEN}"
            ),
        )
    })
}

fn versions_of(pyenv: std::ffi::OsString) -> PathBuf {
    PathBuf::from(pyenv).join("versions")
}

/// Every Python that a version manager keeps below `place`, in the order of `NAMES`.
fn installed(place: &Path) -> Vec<PathBuf> {
    let versions = fs::read_dir(place).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let all = NAMES.iter().flat_map(|name| folders.iter().rev().map(move |folder| folder.join(name)));
    all.filter(|python| python.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_managers_pythons_are_found_newest_of_the_tried_first() {
        let place = Checkout::of_this_tool().target.join("tmp/xtask-versions");
        for python in
            ["3.11.7/bin/python3.11", "3.12.1/bin/python3.12", "3.13.0/bin/python3.13", "3.13.2/bin/python3.13"]
        {
            fs::create_dir_all(place.join(python).parent().unwrap()).unwrap();
            fs::write(place.join(python), "").unwrap();
        }
        let found = installed(&place);
        let shown: Vec<_> = found.iter().map(|python| python.strip_prefix(&place).unwrap().to_str().unwrap()).collect();
        assert_eq!(shown, ["3.13.2/bin/python3.13", "3.13.0/bin/python3.13", "3.12.1/bin/python3.12"]);
        fs::remove_dir_all(&place).unwrap();
    }
}
