//! Builds catalogue images from package files on disk, by way of a mirror that is signed with a test key.
//!
//!     cargo run -p factory --example foreign_architectures -- DIRECTORY LAYOUT ARCH[,ARCH...] NAME...
//!
//! DIRECTORY holds the files: `SUITE/*.deb` for the suites `trixie`, `trixie-updates` and `trixie-security`; a
//! suite may be absent. They become a mirror on loopback, and every NAME is locked against it and built with the
//! variants `latest` and `debug` for each ARCH (in OCI spelling) into the OCI layout LAYOUT, tagged NAME-VARIANT. The
//! lock is written into LAYOUT.lock. `tests/engine/foreign.sh` runs this with packages of Debian's.

#![expect(clippy::print_stdout, reason = "its report")]

#[path = "../tests/it/end_to_end.rs"]
mod end_to_end;

use std::{env, error::Error, fs, path::Path};

use debian::package::{self, Limits};
use factory::{
    catalogue,
    release::{Architecture, Release},
    specification::Plan,
};
use testkit::{TestArchive, TestDeb};

use crate::end_to_end::{Outcome, Wish, lock_and_build};

const VARIANTS: [&str; 2] = ["latest", "debug"];

const USAGE: &str = "usage: foreign_architectures DIRECTORY LAYOUT ARCH[,ARCH...] NAME...";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [directory, layout, architectures, names @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let architectures = architectures
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<Architecture>, _>>()?;
    let archive = mirror(Path::new(directory), &architectures)?;
    let server = archive.serve();
    let cache = tempfile::tempdir()?;
    let wish = Wish {
        plans: plans(names)?,
        architectures,
        // Not the user's: what a test key signed must not lie where the program looks.
        cache: cache.path().to_owned(),
        layout: layout.into(),
    };
    let Outcome { lock, report } = lock_and_build(wish, &server).await?;
    fs::write(format!("{layout}.lock"), lock.to_text())?;
    for image in report.images {
        println!("{} {} {}", image.digest, image.name, image.variant);
    }
    Ok(())
}

fn plans(names: &[String]) -> Result<Vec<Plan>, Box<dyn Error>> {
    let mut plans = Vec::new();
    for name in names {
        let all = catalogue::specification(name)?.plans;
        plans.extend(
            all.into_iter()
                .filter(|plan| VARIANTS.contains(&plan.variant.as_str())),
        );
    }
    if plans.is_empty() {
        return Err(USAGE.into());
    }
    Ok(plans)
}

/// A mirror of the package files below `directory`; every suite has every architecture, if only to be empty.
fn mirror(directory: &Path, architectures: &[Architecture]) -> Result<TestArchive, Box<dyn Error>> {
    let mut builder = TestArchive::builder();
    for suite in Release::Debian13.suites() {
        for architecture in architectures {
            builder = builder.suite(&suite.name, architecture.debian_name());
        }
        let directory = directory.join(&suite.name);
        if !directory.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                builder = builder.deb(&suite.name, read(&path)?);
            }
        }
    }
    Ok(builder.build())
}

fn read(path: &Path) -> Result<TestDeb, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let control = {
        let mut deb = package::open(bytes.as_slice(), &Limits::default())
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        deb.control.files.remove("control").ok_or("no control file")?
    };
    Ok(TestDeb::existing(&String::from_utf8(control)?, bytes))
}
