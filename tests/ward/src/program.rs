//! The program under test: built, found, run.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{WardError, daemon::output_of};

/// Set for the inner run, and by whoever wants another program tested: the program's path.
pub(crate) const PROGRAM: &str = "MAILDOCTOR_WARD_PROGRAM";

/// The folder cargo builds into, from a test's own path `<target>/<profile>/deps/<test>`.
pub(crate) fn target_folder(test: &Path) -> Result<PathBuf, WardError> {
    test.ancestors().nth(3).map(Path::to_path_buf).ok_or_else(|| WardError::NoProgram(test.to_path_buf()))
}

/// The program beside the test's own executable, built anew if its source changed: another package's tests are not told by cargo
/// where it is, nor does cargo build it for them.
pub(crate) fn built() -> Result<PathBuf, WardError> {
    if let Some(chosen) = env::var_os(PROGRAM) {
        return Ok(PathBuf::from(chosen));
    }
    let test = env::current_exe().map_err(WardError::io("finding the test's own program"))?;
    let profile = test.ancestors().nth(2).map(Path::to_path_buf).ok_or_else(|| WardError::NoProgram(test.clone()))?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--package", "maildoctor"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.arg("--target-dir").arg(target_folder(&test)?);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    output_of(&mut cargo)?;
    let program = profile.join("maildoctor");
    if fs::exists(&program).unwrap_or(false) { Ok(program) } else { Err(WardError::NoProgram(program)) }
}

/// The program, on the machine of a trial.
pub(crate) fn given() -> Result<PathBuf, WardError> {
    env::var_os(PROGRAM).map(PathBuf::from).ok_or_else(|| WardError::Wrong("this is no trial".to_owned()))
}
