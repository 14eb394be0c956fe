//! Files of this machine, read within bounds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest settings file that is read, in octets.
const MAX_TEXT: u64 = 1024 * 1024;

/// A text file, whole; octets outside UTF-8 replaced.
///
/// # Errors
/// One sentence that names the file: it cannot be read, or is too large to be one of settings.
pub fn read_text(path: impl AsRef<Path>) -> Result<String, String> {
    let path = path.as_ref();
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    // A pipe or a device would keep us waiting for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut octets = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_TEXT + 1).read_to_end(&mut octets).map_err(failed)?;
    if octets.len() as u64 > MAX_TEXT {
        return Err(format!("{} is larger than {MAX_TEXT} octets", path.display()));
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}
