//! A folder of its own for every case, and the program run in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What a vault is opened by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Vault {
    /// There is none.
    None,
    /// A key file: quick.
    #[default]
    KeyFile,
    /// A passphrase in a file, at the least cost.
    Passphrase,
    /// The same, with a header that asks for more memory than is ever given.
    TooDear,
}

pub(crate) struct Scene {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

/// The least that a passphrase may cost.
pub(crate) const CHEAP: [&str; 6] = ["--kdf-memory-mib", "19", "--kdf-passes", "1", "--kdf-lanes", "1"];

impl Scene {
    /// A folder with such a vault, named by the environment.
    pub(crate) fn new(vault: Vault) -> Self {
        let folder = TempDir::with_prefix("tokenvault-test-").unwrap();
        let at = |name| folder.path().join(name).to_str().unwrap().to_owned();
        let mut environment = BTreeMap::from([
            ("HOME".to_owned(), at("home")),
            ("TMPDIR".to_owned(), at("")),
            ("TOKENVAULT_STORE".to_owned(), format!("file:{}", at("vault.tv"))),
        ]);
        let key = match vault {
            Vault::None => None,
            Vault::KeyFile => Some(("TOKENVAULT_KEY_FILE", at("key"))),
            Vault::Passphrase | Vault::TooDear => Some(("TOKENVAULT_PASSPHRASE_FILE", at("passphrase"))),
        };
        environment.extend(key.map(|(name, path)| (name.to_owned(), path)));
        let scene = Self { folder, environment };
        let made = match vault {
            Vault::None => return scene,
            Vault::KeyFile => scene.run(&["init", "--make-key-file"], b""),
            Vault::Passphrase | Vault::TooDear => {
                scene.write("passphrase", b"correct horse battery\n", 0o600);
                scene.run(&[&["init"][..], &CHEAP].concat(), b"")
            }
        };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        if vault == Vault::TooDear {
            scene.ask_for_much();
        }
        scene
    }

    /// Makes the header ask for one KiB beyond the ceiling, under a checksum that holds.
    fn ask_for_much(&self) {
        let mut bytes = self.vault().unwrap();
        // docs/format.md: the key source begins at byte 39, and checksum and MAC are the header's last 64.
        bytes[39..43].copy_from_slice(&(1024_u32 * 1024 + 1).to_be_bytes());
        let checksum_at = usize::from(u16::from_be_bytes([bytes[10], bytes[11]])) - 64;
        let checksum = Sha256::digest(&bytes[..checksum_at]);
        bytes[checksum_at..checksum_at + 32].copy_from_slice(&checksum);
        self.write("vault.tv", &bytes, 0o600);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8], mode: u32) {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(self.path(name)).unwrap();
        file.write_all(bytes).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The vault's bytes, if there is one.
    pub(crate) fn vault(&self) -> Option<Vec<u8>> {
        fs::read(self.path("vault.tv")).ok()
    }

    /// The program in this folder, with nothing of the caller's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        self.dress(&mut command);
        command
    }

    pub(crate) fn dress(&self, command: &mut Command) {
        command.current_dir(self.folder()).env_clear().envs(&self.environment);
    }

    pub(crate) fn run(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        let mut command = self.command();
        command.args(arguments);
        feed(command, stdin)
    }
}

/// Runs `command` to its end, with `stdin` on its standard input.
pub(crate) fn feed(mut command: Command, stdin: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // The program may end without reading all of it: then the rest is nobody's.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}
