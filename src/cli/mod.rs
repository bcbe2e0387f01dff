//! The command line: words in, words out.
//!
//! A command goes from raw arguments (`args`) over checked settings (`config`) to calls of the library, and its
//! errors become words and an exit code in `report`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind as UsageKind};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::args::{Arguments, Command};
use crate::cli::config::{Environment, Settings};
use crate::cli::report::{Done, Stop};
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind, Result};

mod args;
mod audit;
mod audit_args;
mod audit_settings;
mod audit_trail;
mod audit_verify;
mod config;
mod config_file;
#[cfg(feature = "aws")]
mod conflicts;
#[cfg(feature = "aws")]
mod conflicts_args;
mod copy;
mod deletion;
mod deletion_args;
mod demo;
mod doctor;
#[cfg(all(fuzzing, feature = "import"))]
pub(crate) mod fuzzing;
mod grant;
mod grant_args;
#[cfg(feature = "import")]
mod import_view;
mod input;
mod key;
mod key_args;
#[cfg(feature = "aws")]
mod kms_key;
mod login;
mod look_args;
mod manual;
mod new_file;
mod output;
mod progress;
mod report;
mod session;
mod status;
#[cfg(feature = "aws")]
mod survey;
mod text;
mod token_args;
mod token_json;
mod token_reader;
mod token_view;
mod tokens;
#[cfg(feature = "import")]
mod transfer;
mod transfer_args;
mod upkeep;

/// Runs the command that this process was started with. Answers the exit code.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    match execute(arguments) {
        Ok(()) | Err(Stop::OutputClosed) => ExitCode::SUCCESS,
        Err(Stop::Failed(error)) => {
            report::print(&error);
            ExitCode::from(report::exit_code(error.kind()))
        }
    }
}

/// Tells what clap has to say: help, the version, or what is wrong with the arguments.
fn refuse(error: &clap::Error) -> ExitCode {
    if quotes_more_than_a_name(error) {
        report::print(
            &Error::invalid("an argument is out of place (it is not repeated here: it may be a secret)")
                .with_hint("pass secrets through standard input or files; `tokenvault help` lists the commands"),
        );
        return ExitCode::from(report::exit_code(ErrorKind::InvalidInput));
    }
    // Where nobody reads it, the exit code has to do.
    let _ = error.print();
    let _ = std::io::stdout().flush();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Whether the message would repeat an argument that looks like anything but a misspelt name: somebody who puts a token
/// on the command line by mistake should not find it in the log of a build server as well.
fn quotes_more_than_a_name(error: &clap::Error) -> bool {
    let looks_like_a_name = |text: &str| {
        let is_word = |c: char| c.is_ascii_alphabetic() || c == '-' || c == '_';
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        text.chars().all(|c| is_word(c) || is_number(c)) && text.len() <= if text.contains(is_number) { 16 } else { 32 }
    };
    let is_quoted = |kind| matches!(error.get(kind), Some(ContextValue::String(text)) if !looks_like_a_name(text));
    match error.kind() {
        UsageKind::UnknownArgument => is_quoted(ContextKind::InvalidArg),
        // Of the others that one is a flag or a placeholder of ours. A value is quoted by several, also by what a flag says that
        // takes none.
        _ => is_quoted(ContextKind::InvalidSubcommand) || is_quoted(ContextKind::InvalidValue),
    }
}

fn execute(arguments: Arguments) -> Done {
    let settings = match Environment::read().and_then(|environment| Settings::resolve(arguments.global, environment)) {
        Ok(settings) => settings,
        // These need no settings, and help to get them right.
        Err(_) if matches!(arguments.command, Command::Completions { .. } | Command::Man { .. } | Command::Demo) => {
            Settings::for_the_manual()
        }
        Err(error) => return Err(error.into()),
    };
    start_log(&settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Error::new(ErrorKind::Internal, "the runtime did not start").with_source(cause))?;
    let mut session = Session::new(settings)?;
    runtime.block_on(async {
        let done = dispatch(arguments.command, &mut session).await;
        session.finish().await;
        done
    })
}

fn start_log(settings: &Settings) -> Result<()> {
    // That this machine is none of AWS's is no warning: where that matters, the error says so.
    let default = if settings.quiet { "error" } else { "warn,aws_config::imds=error" };
    let filter = EnvFilter::try_new(settings.log.as_deref().unwrap_or(default)).map_err(|_| {
        Error::invalid("TOKENVAULT_LOG, or log in the configuration, is not a filter")
            .with_hint("set it for example to info, or to tokenvault=debug")
    })?;
    let shown = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter_fn(is_safe));
    // Fails only where a log is there already, in a process that is not ours alone.
    let _ = tracing_subscriber::registry().with(filter).with(shown).try_init();
    Ok(())
}

/// At its highest level the SDK's orchestrator prints whole refusals of a service, which may repeat what it was sent.
fn is_safe(event: &Metadata<'_>) -> bool {
    *event.level() != Level::TRACE || !event.target().starts_with("aws_smithy_runtime::client::orchestrator")
}

async fn dispatch(command: Command, session: &mut Session) -> Done {
    match command {
        Command::Init(args) => upkeep::init(session, &args).await,
        Command::Save => tokens::save(session).await,
        Command::Find(args) => tokens::find(session, &args).await,
        Command::Get(args) => tokens::get(session, &args).await,
        Command::List(args) => tokens::list(session, &args).await,
        Command::Delete(args) => deletion::delete(session, &args).await,
        Command::DeleteAll(args) => deletion::delete_all(session, &args).await,
        Command::Token(args) => grant::token(session, &args).await,
        Command::Login(args) => login::login(session, &args).await,
        Command::Undelete { id } => deletion::undelete(session, &id).await,
        Command::Copy(args) => copy::copy(session, &args).await,
        #[cfg(feature = "import")]
        Command::Import(args) => transfer::import(session, &args).await,
        #[cfg(feature = "import")]
        Command::Export(args) => transfer::export(session, &args).await,
        Command::Backup { to } => upkeep::backup(session, &to).await,
        Command::RotateKey(args) => upkeep::rotate_key(session, &args).await,
        Command::ChangePassphrase(args) => upkeep::change_passphrase(session, &args).await,
        Command::Verify(args) => upkeep::verify(session, args.repair).await,
        Command::Status(args) => status::status(session, args.quick).await,
        Command::Doctor(args) => doctor::doctor(session, &args).await,
        #[cfg(feature = "aws")]
        Command::Conflicts(args) => conflicts::run(session, &args).await,
        Command::Audit(args) => audit::run(session, &args).await,
        Command::Demo => demo::run(session).await,
        Command::Completions { shell } => manual::completions(session, shell),
        Command::Man { to } => manual::pages(session, to.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, CommandFactory};

    use super::*;

    /// What is given, in each of which [`SECRET`] is.
    const CANARIES: [&str; 4] = [
        "1000.canary.0123456789abcdef0123456789abcdef",
        "a 1000.canary in words",
        "--any=1000.canary.0123456789",
        "=1000.canary.0123456789",
    ];

    const SECRET: &str = "1000.canary";

    /// What would be said, where that holds the secret.
    fn told(arguments: &[String]) -> Option<String> {
        let error = Arguments::try_parse_from(arguments).err().filter(|error| !quotes_more_than_a_name(error))?;
        let said = error.render().to_string();
        said.contains(SECRET).then_some(said)
    }

    /// The canary as this argument's value, or where it takes none.
    fn with_canary(argument: &Arg, canary: &str) -> Vec<Vec<String>> {
        let forms = |long: &str| vec![vec![format!("--{long}={canary}")], vec![format!("--{long}"), canary.to_owned()]];
        let mut all: Vec<Vec<String>> =
            argument.get_long_and_visible_aliases().unwrap_or_default().into_iter().flat_map(forms).collect();
        all.extend(argument.get_short().map(|short| vec![format!("-{short}{canary}")]));
        all.extend(argument.get_short().map(|short| vec![format!("-{short}={canary}")]));
        all
    }

    fn assert_hidden(path: &[String], command: &clap::Command, canary: &str) -> usize {
        let mut tried = 0;
        let mut assert_untold = |more: &[String]| {
            let arguments = [path, more].concat();
            assert_eq!(told(&arguments), None, "{arguments:?}");
            tried += 1;
        };
        for argument in command.get_arguments() {
            with_canary(argument, canary).iter().for_each(|more| assert_untold(more));
        }
        (1..4).for_each(|count| assert_untold(&vec![canary.to_owned(); count]));
        assert_untold(&["--".to_owned(), canary.to_owned(), canary.to_owned()]);
        for inner in command.get_subcommands() {
            tried += assert_hidden(&[path, &[inner.get_name().to_owned()]].concat(), inner, canary);
        }
        tried
    }

    #[test]
    fn no_flag_and_no_place_of_any_command_leads_to_a_message_with_what_was_given() {
        let mut command = Arguments::command();
        // With the options of every command at each.
        command.build();
        for canary in CANARIES {
            let tried = assert_hidden(&["tokenvault".to_owned()], &command, canary);
            assert!(tried > 500, "{tried}");
        }
    }
}
