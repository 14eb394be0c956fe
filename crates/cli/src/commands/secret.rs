//! Passwords and tokens: from a file, a command, the environment or a prompt, never from an argument.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use secrecy::SecretString;

use crate::output;

/// The longest secret that is read, in octets.
const MAX_SECRET_OCTETS: u64 = 64 * 1024;

/// The environment variable that may hold the password.
pub(crate) const PASSWORD_VARIABLE: &str = "MAILDOCTOR_PASSWORD";

/// The environment variable that may hold the password at SOCKS proxies.
pub(crate) const SOCKS_VARIABLE: &str = "MAILDOCTOR_SOCKS_PASSWORD";

/// A password file loses exactly one line end at its end, no more: a password may end in one itself.
pub(crate) fn from_file(path: &Path) -> anyhow::Result<SecretString> {
    Ok(without_line_end(output::read(path, MAX_SECRET_OCTETS)?))
}

/// The password at SOCKS proxies: from the file, or from the environment.
pub(crate) fn socks_password(file: Option<&Path>) -> anyhow::Result<Option<SecretString>> {
    match file {
        Some(path) => from_file(path).map(Some),
        None => Ok(std::env::var(SOCKS_VARIABLE).ok().map(Into::into)),
    }
}

/// A token file is taken as it stands but for blanks around it.
pub(crate) fn token_from_file(path: &Path) -> anyhow::Result<SecretString> {
    let text = output::read(path, MAX_SECRET_OCTETS)?;
    if text.trim().is_empty() {
        bail!("{} is empty; give a file that holds the AUTH token", path.display());
    }
    Ok(without_line_end(text))
}

/// What a command of the user's prints.
pub(crate) fn from_command(command: &str) -> anyhow::Result<SecretString> {
    let what = || format!("the password command `{command}` cannot be run; give one that prints the password");
    let out = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(what)?;
    if !out.status.success() {
        bail!("the password command failed with {}; it must print the password and end with 0", out.status);
    }
    let text = String::from_utf8(out.stdout).context("the password command printed something that is no UTF-8")?;
    Ok(without_line_end(text))
}

/// Where a command takes its password from.
#[derive(Debug, clap::Args)]
pub(crate) struct PasswordArgs {
    /// The file that holds the password; one line end at its end is not part of it [default: MAILDOCTOR_PASSWORD].
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// A command that prints the password.
    #[arg(long, value_name = "CMD", conflicts_with = "password_file")]
    pub(crate) password_command: Option<String>,
}

impl PasswordArgs {
    /// Whether the user named a place.
    pub(crate) fn given(&self) -> bool {
        self.password_file.is_some() || self.password_command.is_some()
    }

    /// From the file, the command or the environment.
    pub(crate) fn read(&self) -> anyhow::Result<Option<SecretString>> {
        match (&self.password_file, &self.password_command) {
            (Some(path), _) => from_file(path).map(Some),
            (None, Some(command)) => from_command(command).map(Some),
            (None, None) => Ok(std::env::var(PASSWORD_VARIABLE).ok().map(Into::into)),
        }
    }

    /// The same, or what is typed at a prompt without echo.
    pub(crate) fn read_or_ask(&self, prompt: &str) -> anyhow::Result<SecretString> {
        match self.read()? {
            Some(password) => Ok(password),
            None => Ok(rpassword::prompt_password(prompt)
                .context("the password cannot be read from the terminal; give --password-file")?
                .into()),
        }
    }
}

fn without_line_end(mut text: String) -> SecretString {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn exactly_one_line_end_is_lost() {
        for (text, kept) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("a \n", "a "), ("a\r", "a\r")]
        {
            assert_eq!(without_line_end(text.to_owned()).expose_secret(), kept, "{text:?}");
        }
    }
}
