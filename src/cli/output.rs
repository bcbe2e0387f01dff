//! Standard output: tokens as a table or as JSON, values for scripts, and notes on standard error.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use comfy_table::{Attribute, Cell, ContentArrangement, LineStyle, Table, TableStyle};
use zeroize::Zeroizing;

use crate::cli::args::Format;
use crate::cli::config::Settings;
use crate::cli::report::{Done, on_write};
use crate::cli::text::{fingerprint, printable, relative, shortened};
use crate::cli::token_view::TokenView;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind};
use crate::fields::Field;
use crate::secret::SecretText;
use crate::token::OAuthToken;

/// Nothing but a line under the header: rows are copied into other places.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The longest text in a cell of a list. `get` shows whole texts.
const MAX_CELL: usize = 40;

/// Where a command's results go.
pub(super) struct Output {
    /// Not std's: that one would keep what went through it in a buffer that is never wiped.
    out: File,
    format: Format,
    is_quiet: bool,
}

impl Output {
    /// Standard output.
    pub(super) fn stdout(settings: &Settings) -> Done<Self> {
        let own = io::stdout().as_fd().try_clone_to_owned().map_err(on_write)?;
        Ok(Self { out: File::from(own), format: settings.format, is_quiet: settings.quiet })
    }

    /// A file of a test's.
    #[cfg(test)]
    pub(super) fn file(out: File, format: Format) -> Self {
        Self { out, format, is_quiet: false }
    }

    /// Writes `bytes` as they are, at once.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Done {
        self.out.write_all(bytes).map_err(on_write)
    }

    /// A line of result.
    pub(super) fn line(&mut self, text: &str) -> Done {
        let line = Zeroizing::new(format!("{text}\n"));
        self.write(line.as_bytes())
    }

    /// A line for people that is no result: what was done. Nothing in JSON, nor where quiet is wanted.
    pub(super) fn remark(&mut self, text: &str) -> Done {
        if self.is_quiet || self.format == Format::Json { Ok(()) } else { self.line(&printable(text)) }
    }

    /// Something to know beside the result, on standard error.
    pub(super) fn note(&self, text: &str) {
        if !self.is_quiet {
            let _ = anstream::stderr().write_all(format!("note: {}\n", printable(text)).as_bytes());
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether to show how far long work has come.
    pub(super) fn shows_progress(&self) -> bool {
        !self.is_quiet && io::stderr().is_terminal()
    }

    /// A value as JSON.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) -> Done {
        let mut bytes = Zeroizing::new(Vec::new());
        serde_json::to_writer_pretty(&mut *bytes, value).map_err(|cause| {
            Error::new(ErrorKind::Internal, "the result could not be written as JSON").with_source(cause)
        })?;
        bytes.push(b'\n');
        self.write(&bytes)
    }

    /// One token, whole.
    pub(super) fn token(&mut self, token: &OAuthToken, reveal: bool) -> Done {
        if self.is_json() {
            return self.json(&TokenView { token, reveal });
        }
        let mut table = self.table(&["FIELD", "VALUE"]);
        table.add_row(["id".to_owned(), printable(token.id().unwrap_or_default())]);
        for (field, text) in token.fields().present() {
            table.add_row([field.name().to_owned(), shown(token, field, text, reveal)]);
        }
        self.line(&table.trim_fmt())
    }

    /// Tokens, one a row.
    pub(super) fn tokens<'t>(&mut self, tokens: impl Iterator<Item = &'t OAuthToken>, reveal: bool) -> Done {
        if self.is_json() {
            return self.json(&tokens.map(|token| TokenView { token, reveal }).collect::<Vec<_>>());
        }
        let mut table = self.table(&["ID", "USER", "CLIENT", "ACCESS TOKEN", "REFRESH TOKEN", "EXPIRES"]);
        for token in tokens {
            table.add_row(row(token, reveal));
        }
        if table.is_empty() {
            return self.remark("no tokens");
        }
        self.line(&table.trim_fmt())
    }

    /// A table of these rows, or what is said where there is none.
    #[cfg(feature = "aws")]
    pub(super) fn rows(&mut self, header: &[&str], rows: impl Iterator<Item = Vec<String>>, none: &str) -> Done {
        let short = |text: String| shortened(&printable(&text), MAX_CELL);
        self.whole_rows(header, rows.map(|row| row.into_iter().map(short).collect()), none)
    }

    /// The same with every text whole: a secret that is asked for is of no use in part.
    #[cfg(feature = "aws")]
    pub(super) fn whole_rows(&mut self, header: &[&str], rows: impl Iterator<Item = Vec<String>>, none: &str) -> Done {
        let mut table = self.table(header);
        table.set_content_arrangement(ContentArrangement::Disabled);
        for row in rows {
            table.add_row(row.iter().map(|text| printable(text)));
        }
        if table.is_empty() {
            return self.remark(none);
        }
        self.line(&table.trim_fmt())
    }

    /// A table of these rows, whose texts are shown whole.
    pub(super) fn sheet(&mut self, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Done {
        let mut table = self.table(header);
        for row in rows {
            table.add_row(row.iter().map(|text| printable(text)));
        }
        self.line(&table.trim_fmt())
    }

    /// Whether colours and weights are wanted: on a terminal, unless `NO_COLOR` or the like says otherwise.
    fn has_style(&self) -> bool {
        self.out.is_terminal() && AutoStream::choice(&self.out) != ColorChoice::Never
    }

    /// `text` in bold where that can be seen.
    pub(super) fn emphasised(&self, text: &str) -> String {
        let bold = Style::new().bold();
        if self.has_style() { format!("{bold}{text}{bold:#}") } else { text.to_owned() }
    }

    fn table(&self, header: &[&str]) -> Table {
        let heads = header.iter().map(|text| {
            let cell = Cell::new(text);
            if self.has_style() { cell.add_attribute(Attribute::Bold) } else { cell }
        });
        let mut table = Table::new();
        table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_header(heads);
        table
    }
}

fn row(token: &OAuthToken, reveal: bool) -> [String; 6] {
    let cell = |field| {
        let text = token.get(field).map(|text| shown(token, field, text, reveal)).unwrap_or_default();
        if field.is_secret() && reveal { text } else { shortened(&text, MAX_CELL) }
    };
    let expires = token.expires_at().map(|at| relative(at, SystemClock.now())).unwrap_or_default();
    let id = printable(token.id().unwrap_or_default());
    [id, cell(Field::UserName), cell(Field::ClientId), cell(Field::AccessToken), cell(Field::RefreshToken), expires]
}

/// A field's text as it may be seen.
fn shown(token: &OAuthToken, field: Field, text: &SecretText, reveal: bool) -> String {
    if field.is_secret() && !reveal {
        return fingerprint(text);
    }
    match token.expires_at().filter(|_| field == Field::ExpiresIn) {
        Some(at) => format!("{} ({})", text.expose(), relative(at, SystemClock.now())),
        None => printable(text.expose()),
    }
}
