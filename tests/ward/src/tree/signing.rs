//! Keys and signatures, by ldns' own tools.

use std::{fs, path::PathBuf, process::Command};

use super::{DAY, Signing};
use crate::{
    WardError,
    daemon::{output_of, write},
    isolation::folder,
};

/// The keys of a zone, made once in a trial: what was delegated to them stays true when a zone is signed anew.
#[derive(Debug)]
pub(super) struct Keys {
    folder: PathBuf,
    /// The names of the two keys' files without their endings: the one that signs keys, and the one that signs the zone.
    names: [String; 2],
}

impl Keys {
    pub(super) fn of(origin: &str) -> Result<Self, WardError> {
        let folder = folder()?.join(format!("keys-{origin}"));
        let list = folder.join("names");
        if !list.exists() {
            fs::create_dir_all(&folder).map_err(WardError::io(folder.display().to_string()))?;
            let make = |more: &[&str]| {
                output_of(
                    Command::new("ldns-keygen")
                        .args(["-a", "ECDSAP256SHA256"])
                        .args(more)
                        .arg(origin)
                        .current_dir(&folder),
                )
            };
            write(&list, format!("{}\n{}", make(&["-k"])?.trim(), make(&[])?.trim()))?;
        }
        let names = fs::read_to_string(&list).map_err(WardError::io(list.display().to_string()))?;
        let (one, two) = names.split_once('\n').ok_or_else(|| WardError::Wrong(format!("no keys of {origin}")))?;
        Ok(Self { folder, names: [one.to_owned(), two.to_owned()] })
    }

    /// The DS record of the key that signs keys, as a line of a zone file.
    pub(super) fn delegation_signer(&self) -> Result<String, WardError> {
        let path = self.folder.join(format!("{}.ds", self.names[0]));
        let line = fs::read_to_string(&path).map_err(WardError::io(path.display().to_string()))?;
        Ok(line.trim().to_owned())
    }

    /// The zone file with its signatures.
    pub(super) fn sign(&self, origin: &str, text: &str, signing: &Signing, now: i64) -> Result<String, WardError> {
        let (plain, signed) = (self.folder.join("plain"), self.folder.join("signed"));
        write(&plain, text)?;
        let at = |days: i64| (now + days * DAY).to_string();
        let mut command = Command::new("ldns-signzone");
        command.current_dir(&self.folder).args(["-i", &at(signing.from_days), "-e", &at(signing.until_days)]);
        if let Some(options) = signing.nsec3 {
            command.arg("-n").args(options);
        }
        output_of(command.args(["-o", origin, "-f", "signed", "plain"]).args(&self.names))?;
        let text = fs::read_to_string(&signed).map_err(WardError::io(signed.display().to_string()))?;
        let touched = [signing.changed_after.map(|(from, _)| from), signing.left_out];
        if let Some(part) = touched.into_iter().flatten().find(|part| !text.contains(part)) {
            return Err(WardError::Wrong(format!("`{part}` is not in the signed zone {origin}:\n{text}")));
        }
        let text = signing.changed_after.map_or_else(|| text.clone(), |(from, to)| text.replace(from, to));
        let stays = |line: &&str| signing.left_out.is_none_or(|part| !line.contains(part));
        Ok(text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect())
    }
}
