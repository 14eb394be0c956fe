//! The servers, out of Debian's packages, without installing any: mail servers conflict with each other as packages, and no daemon
//! may be left behind on the machine. Kept between runs in `target/ward`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{WardError, daemon::output_of};

/// What is unpacked, in groups that could be installed together: each brings the libraries that the machine lacks.
const GROUPS: [&[&str]; 8] = [
    &["postfix", "postfix-pcre", "dovecot-imapd", "dovecot-pop3d", "dovecot-lmtpd", "openssh-server"],
    &["nsd", "knot", "unbound", "ldnsutils"],
    &["exim4-daemon-heavy"],
    &["sendmail-bin"],
    &["opensmtpd"],
    &["courier-mta"],
    &["rspamd"],
    // Other people's eyes for signatures.
    &["unbound-host", "opendkim-tools", "python3-authres", "python3-dkim", "python3-dnspython"],
];

/// The folder with the unpacked servers, below which are `usr`, `etc` and `var`. The first trial makes it, the others wait.
pub(crate) fn unpacked(target: &Path) -> Result<PathBuf, WardError> {
    let base = target.join("ward");
    fs::create_dir_all(&base).map_err(WardError::io(base.display().to_string()))?;
    let lock = File::create(base.join("lock")).map_err(WardError::io("the lock of target/ward"))?;
    lock.lock().map_err(WardError::io("the lock of target/ward"))?;
    let servers = base.join("servers");
    // Unpacked by a test that knew of fewer packages: once more.
    let (list, wanted) = (base.join("servers.list"), format!("{GROUPS:?}"));
    if !fs::read_to_string(&list).is_ok_and(|held| held == wanted) {
        remove(&servers)?;
        let draft = base.join("servers.draft");
        remove(&draft)?;
        for packages in GROUPS {
            download(&base.join("packages"), packages)?;
        }
        unpack(&base.join("packages"), &draft)?;
        fs::rename(&draft, &servers).map_err(WardError::io("keeping the unpacked servers"))?;
        fs::write(&list, wanted).map_err(WardError::io("the list of what is unpacked"))?;
    }
    Ok(servers)
}

fn remove(folder: &Path) -> Result<(), WardError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(WardError::io(folder.display().to_string()))
    } else {
        Ok(())
    }
}

/// Downloads `packages` and what they depend on as far as this machine lacks it. apt installs nothing with `--download-only`.
fn download(into: &Path, packages: &[&str]) -> Result<(), WardError> {
    let partial = into.join("partial");
    fs::create_dir_all(&partial).map_err(WardError::io(partial.display().to_string()))?;
    let fetch = || {
        output_of(
            Command::new("apt-get")
                .args(["-qq", "-y", "install", "--download-only", "--reinstall", "--no-install-recommends"])
                .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root", "-o"])
                .arg(format!("Dir::Cache::archives={}", into.display()))
                .args(packages)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    // A machine whose package lists are missing or stale: once more with new ones.
    if fetch().is_err() {
        output_of(Command::new("apt-get").args(["-qq", "update"]))?;
        fetch()?;
    }
    Ok(())
}

fn unpack(packages: &Path, into: &Path) -> Result<(), WardError> {
    let listing = fs::read_dir(packages).map_err(WardError::io(packages.display().to_string()))?;
    for entry in listing {
        let path = entry.map_err(WardError::io(packages.display().to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            output_of(Command::new("dpkg").arg("-x").arg(&path).arg(into))?;
        }
    }
    // Packages still ship paths outside /usr, which are links into it on an installed machine.
    for folder in ["lib", "bin", "sbin"] {
        let outside = into.join(folder);
        if outside.exists() {
            output_of(Command::new("cp").arg("-a").arg(outside.join(".")).arg(into.join("usr").join(folder)))?;
        }
    }
    Ok(())
}
