//! Python environments below target/, made from pinned requirements.

use std::fs;
use std::path::PathBuf;

use crate::checkout::{self, Checkout};
use crate::part::Missing;

const FIT: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))";

/// The Python of the environment `name`, which holds what `requirements` (a file of the checkout) pins; made where it
/// does not stand yet.
///
/// # Errors
/// Python 3.9 with `venv` is not there, or the packages cannot be had.
pub(crate) fn environment(checkout: &Checkout, name: &str, requirements: &str) -> Result<PathBuf, Missing> {
    let pinned = fs::read_to_string(checkout.root.join(requirements))
        .map_err(|error| Missing::new(format!("{requirements}: {error}"), "restore the file from the repository"))?;
    let place = checkout.target.join("python").join(name);
    let python = place.join("bin/python");
    // Written last: an environment that was broken off is made anew.
    let stamp = place.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned)
        && checkout::answers(checkout.command(&python).args(["-c", "pass"]))
    {
        return Ok(python);
    }
    let outer = fit_python(checkout)?;
    let made = checkout::run(checkout.command(outer).args(["-m", "venv", "--clear"]).arg(&place))
        .and_then(|()| {
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements];
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

fn fit_python(checkout: &Checkout) -> Result<&'static str, Missing> {
    ["python3", "python"]
        .into_iter()
        .find(|python| checkout::answers(checkout.command(python).args(["-c", FIT])))
        .ok_or_else(|| {
            Missing::new(
                "Python 3.9 or later with its venv module",
                "install it, e.g. `apt install python3 python3-venv`",
            )
        })
}
