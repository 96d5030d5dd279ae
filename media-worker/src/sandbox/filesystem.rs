//! Landlock: which files and ports the program can reach. Everything that is not named is denied.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// The oldest Landlock that also covers TCP.
const REQUIRED: ABI = ABI::V4;
/// What is used where the kernel has it: device ioctls, signals and abstract sockets.
const WANTED: ABI = ABI::V7;

/// Where shared libraries are read from.
const LIBRARIES: [&str; 5] = [
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
];
/// The dynamic loaders, which the kernel executes on behalf of a program.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// Restricts the files and ports of this process, whose working directory is the job folder, for good; returns the version of
/// Landlock in force, 0 for none. With `degraded`, a kernel without Landlock is not an error.
pub fn restrict(executables: &[PathBuf], degraded: bool) -> Result<u32, RulesetError> {
    let status = ruleset(degraded)?
        .add_rules(path_beneath_rules(
            LIBRARIES,
            AccessFs::ReadFile | AccessFs::ReadDir,
        ))?
        .add_rules(path_beneath_rules(LOADERS, execute()))?
        .add_rules(path_beneath_rules(executables, execute()))?
        .add_rules(job_folder())?
        .restrict_self()?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. }
            if status.ruleset != RulesetStatus::NotEnforced =>
        {
            effective_abi as u32
        }
        _ => 0,
    })
}

fn ruleset(degraded: bool) -> Result<RulesetCreated, RulesetError> {
    let required = if degraded {
        CompatLevel::BestEffort
    } else {
        CompatLevel::HardRequirement
    };
    Ruleset::default()
        .set_compatibility(required)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .handle_access(AccessNet::from_all(REQUIRED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()
}

fn execute() -> BitFlags<AccessFs> {
    AccessFs::Execute | AccessFs::ReadFile
}

/// Regular files only: no folders, links, sockets or devices, and nothing is executed. The folder is
/// named relatively, because the slot's user may not reach it from the root.
fn job_folder() -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    let access = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile;
    path_beneath_rules(["."], access)
}
