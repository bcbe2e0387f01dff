//! The parsers that read what an attacker may have written, as the fuzz targets call them. Only under `cfg(fuzzing)`.

/// A vault file's header.
pub fn header(data: &[u8]) {
    crate::backend::file::fuzzing::header(data);
}

/// A vault file behind its header: frames, what they hold, and the tail.
pub fn frame(data: &[u8]) {
    crate::backend::file::fuzzing::frame(data);
}

/// The SDKs' CSV files.
pub fn csv(data: &[u8]) {
    if let Ok(rows) = crate::import::csv::parse(data) {
        let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
        assert!(rows.rows.iter().all(|row| (1..=lines).contains(&row.line)), "a row lies on a line of the file");
    }
}

/// Tokens on standard input.
pub fn json(data: &[u8]) {
    crate::cli::fuzzing::json(data);
}
