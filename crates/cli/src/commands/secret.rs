//! Passwords and tokens: from a file, a command, the environment or a prompt, never from an argument.

use std::path::Path;
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

/// From the file, the command, the environment, or, on a terminal, a prompt without echo.
pub(crate) fn password(
    file: Option<&Path>,
    command: Option<&str>,
    prompt: Option<&str>,
) -> anyhow::Result<Option<SecretString>> {
    if let Some(path) = file {
        return from_file(path).map(Some);
    }
    if let Some(command) = command {
        return from_command(command).map(Some);
    }
    if let Ok(text) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(Some(text.into()));
    }
    match prompt {
        Some(prompt) => Ok(Some(
            rpassword::prompt_password(prompt)
                .context("the password cannot be read from the terminal; give --password-file")?
                .into(),
        )),
        None => Ok(None),
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
