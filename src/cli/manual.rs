//! Completions and manual pages, made from the arguments themselves.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::args::Arguments;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind};

pub(super) fn completions(session: &mut Session, shell: Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tokenvault", &mut script);
    session.out.write(&script)
}

pub(super) fn pages(session: &mut Session, to: Option<&Path>) -> Done {
    let failed = |cause| Error::new(ErrorKind::Io, "the manual could not be written").with_source(cause);
    if let Some(folder) = to {
        clap_mangen::generate_to(Arguments::command(), folder).map_err(failed)?;
        return session.out.remark(&format!("wrote the manual to {}", folder.display()));
    }
    let mut page = Vec::new();
    Man::new(Arguments::command()).render(&mut page).map_err(failed)?;
    session.out.write(&page)
}
