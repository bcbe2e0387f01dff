//! The terraform part: the module's inputs without a provider's calls, then what it makes on LocalStack.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::checkout::{self, Checkout};
use crate::emulator::Kind;
use crate::part::Missing;
use crate::session::Session;
use crate::suite::CLIENT;

const SOURCES: &str = "infra/terraform";
const MODULE: &str = "modules/vault";
const EXAMPLE: &str = "examples/localstack";

/// Names a folder with providers, laid out as Terraform's filesystem mirrors are.
const PROVIDERS: &str = "TOKENVAULT_TERRAFORM_PROVIDERS";

/// Where installers put providers; a mirror is looked for some folders deep.
const PLACES: [&str; 5] = ["/usr/local/share", "/usr/share", "/usr/local/lib", "/usr/lib/terraform", "/opt"];
const DEPTH: u32 = 8;

pub(crate) fn need(session: &Session) -> Result<(), Missing> {
    let checkout = &session.checkout;
    if !checkout::answers(checkout.command("terraform").arg("version")) {
        return Err(Missing::new("Terraform 1.7 or later", "install it and put it on the PATH"));
    }
    Kind::Localstack.need(checkout)?;
    CLIENT.python(checkout)?;
    let work = Work::prepare(checkout).map_err(|error| Missing::new(error, "make the target folder writable"))?;
    work.in_each("init", &["-input=false"]).map_err(|error| {
        Missing::new(
            format!("the AWS provider cannot be had: {error}"),
            format!("make Terraform's registry reachable, or name a mirror of hashicorp/aws 5 in {PROVIDERS}"),
        )
    })
}

pub(crate) fn run(session: &Session) -> Result<(), String> {
    let checkout = &session.checkout;
    checkout::run(checkout.command("terraform").args(["fmt", "-check", "-diff", "-recursive", SOURCES]))?;
    let work = Work::prepared(checkout);
    work.in_each("validate", &[])?;
    checkout::run(&mut work.terraform(MODULE, "test", &[]))?;

    let endpoint = session.localstack()?;
    // A prefix of its own: the same LocalStack may hold what another run left.
    let given = [format!("-var=endpoint={endpoint}"), format!("-var=prefix=crm/try{}", process::id())];
    let given = ["-auto-approve", "-input=false", &given[0], &given[1]];
    let made = checkout::run(&mut work.terraform(EXAMPLE, "apply", &given))
        .and_then(|()| work.keep_output())
        .and_then(|()| work.read_back(&endpoint, "present"));
    checkout::run(&mut work.terraform(EXAMPLE, "destroy", &given))?;
    made.and_then(|()| work.read_back(&endpoint, "gone"))
}

/// A copy of the sources below target/: Terraform writes beside what it reads.
#[derive(Debug)]
struct Work<'a> {
    checkout: &'a Checkout,
    place: PathBuf,
    configuration: Option<PathBuf>,
}

impl<'a> Work<'a> {
    fn prepared(checkout: &'a Checkout) -> Self {
        let place = checkout.target.join("terraform");
        let configuration = Some(place.join("cli.tfrc")).filter(|file| file.exists());
        Self { checkout, place, configuration }
    }

    fn prepare(checkout: &'a Checkout) -> Result<Self, String> {
        let place = checkout.target.join("terraform");
        let broken = |error: std::io::Error| format!("{}: {error}", place.display());
        if place.exists() {
            fs::remove_dir_all(&place).map_err(broken)?;
        }
        copy(&checkout.root.join(SOURCES), &place).map_err(broken)?;
        if let Some(mirror) = mirror() {
            eprintln!("providers: {}", mirror.display());
            fs::write(place.join("cli.tfrc"), configuration(&mirror)).map_err(broken)?;
        }
        Ok(Self::prepared(checkout))
    }

    fn terraform(&self, folder: &str, command: &str, arguments: &[&str]) -> Command {
        let mut terraform = self.checkout.command("terraform");
        terraform.arg(format!("-chdir={}", self.place.join(folder).display()));
        terraform.args([command, "-no-color"]).args(arguments).env("CHECKPOINT_DISABLE", "1");
        if let Some(configuration) = &self.configuration {
            terraform.env("TF_CLI_CONFIG_FILE", configuration);
        }
        terraform
    }

    fn in_each(&self, command: &str, arguments: &[&str]) -> Result<(), String> {
        [MODULE, EXAMPLE].iter().try_for_each(|folder| checkout::run(&mut self.terraform(folder, command, arguments)))
    }

    fn keep_output(&self) -> Result<(), String> {
        let output = self.terraform(EXAMPLE, "output", &["-json"]).output().map_err(|error| error.to_string())?;
        fs::write(self.output(), output.stdout).map_err(|error| error.to_string())
    }

    fn output(&self) -> PathBuf {
        self.place.join("output.json")
    }

    fn read_back(&self, endpoint: &str, state: &str) -> Result<(), String> {
        let python = CLIENT.python(self.checkout).map_err(|missing| missing.what)?;
        let mut command = self.checkout.command(python);
        command.args(["tests/terraform/read_back.py", endpoint]).arg(self.output()).arg(state);
        checkout::run(&mut command)
    }
}

/// What a person's own runs left beside the sources stays there.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if !shown.starts_with('.') {
                copy(&entry.path(), &to.join(&name))?;
            }
        } else if shown.ends_with(".tf") || shown.ends_with(".hcl") && !shown.starts_with('.') {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

fn configuration(mirror: &Path) -> String {
    format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path = {:?}\n  }}\n}}\n",
        mirror.display().to_string()
    )
}

/// A filesystem mirror that holds the AWS provider. Where there is none, Terraform's own ways remain.
fn mirror() -> Option<PathBuf> {
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".terraform.d"));
    let named = env::var_os(PROVIDERS).or_else(|| env::var_os("TF_PLUGIN_CACHE_DIR")).map(PathBuf::from);
    let places = named.into_iter().chain(home).chain(PLACES.map(PathBuf::from));
    places.filter_map(|place| provider_below(&place, DEPTH)).find_map(|provider| mirror_of(&provider))
}

/// The file of the AWS provider, packed or not.
fn provider_below(place: &Path, depth: u32) -> Option<PathBuf> {
    let entries: Vec<_> = fs::read_dir(place).into_iter().flatten().flatten().collect();
    let named = entries.iter().find(|entry| entry.file_name().to_string_lossy().starts_with("terraform-provider-aws_"));
    if let Some(provider) = named {
        return Some(provider.path());
    }
    let folders = entries.iter().filter(|entry| depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(fs::DirEntry::path).find_map(|folder| provider_below(&folder, depth - 1))
}

/// The folder above `HOST/hashicorp/aws`: unpacked, VERSION and PLATFORM lie between, packed nothing does.
fn mirror_of(provider: &Path) -> Option<PathBuf> {
    let mut above = provider.ancestors();
    let aws = above.find(|folder| folder.ends_with("hashicorp/aws"))?;
    aws.ancestors().nth(3).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_found_by_its_provider() {
        let place = Checkout::of_this_tool().target.join("tmp/xtask-mirror");
        let provider =
            "some/where/registry.terraform.io/hashicorp/aws/5.1.0/linux_amd64/terraform-provider-aws_v5.1.0_x5";
        fs::create_dir_all(place.join(provider).parent().unwrap()).unwrap();
        assert_eq!(provider_below(&place, DEPTH), None);
        fs::write(place.join(provider), "").unwrap();
        let found = provider_below(&place, DEPTH).unwrap();
        assert_eq!(found, place.join(provider));
        assert_eq!(mirror_of(&found).unwrap(), place.join("some/where"));
        assert_eq!(mirror_of(Path::new("/usr/lib/terraform-provider-aws_v5")), None);
        assert_eq!(provider_below(&place, 2), None);
        fs::remove_dir_all(&place).unwrap();
    }
}
