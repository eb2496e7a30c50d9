//! Builds in a process of their own, for conditions that a thread cannot have: another directory,
//! zone and umask, and sudden death.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use factory::release::Architecture;

use crate::shop::Shop;

const PLACE: &str = "LIGHTSHIP_TEST_CHILD_PLACE";

/// Not a test: what [`start`] runs. Without its variable it has nothing to do.
#[test]
fn runs_a_build_for_another_test() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the way from parent to child in these tests"
    )]
    let Some(place) = env::var_os(PLACE) else { return };
    let place = PathBuf::from(place);
    Shop::new()
        .build(
            &[Architecture::Amd64],
            &place.join("cache"),
            2,
            &place.join("layout"),
        )
        .unwrap();
}

/// Starts a build of the shop's images for amd64 into `place/layout` with the cache `place/cache`.
pub(crate) fn start(place: &Path) -> Child {
    // Everything about the process is unlike that of the parent.
    Command::new("/bin/sh")
        .args([
            "-c",
            "umask 077; exec \"$0\" --exact child::runs_a_build_for_another_test",
        ])
        .arg(env::current_exe().unwrap())
        .current_dir(place)
        .env(PLACE, place)
        .env("TZ", "Pacific/Chatham")
        .env("LC_ALL", "tr_TR.UTF-8")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
