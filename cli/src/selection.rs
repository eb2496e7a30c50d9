//! Which images, variants and architectures the command line asks for, and where their lock is.

use std::path::{Path, PathBuf};

use factory::catalogue;
use factory::release::Architecture;
use factory::specification::{Plan, Specification, SpecificationError};

use crate::failure::{Failure, Kind};

/// The name of a lock beside a specification.
pub(crate) const LOCK_NAME: &str = "lightship.lock";

/// A NAME or FILE of the command line, read.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    /// The file; none for an image of the catalogue.
    pub(crate) file: Option<PathBuf>,
    pub(crate) specification: Specification,
}

/// Reads what was named: a path with a slash or a YAML suffix is a file, anything else a name of the catalogue.
pub(crate) fn read(images: &[String]) -> Result<Vec<Selected>, Failure> {
    images.iter().map(|image| read_one(image)).collect()
}

fn read_one(image: &str) -> Result<Selected, Failure> {
    let is_file = image.contains('/') || image.ends_with(".yaml") || image.ends_with(".yml");
    let file = is_file.then(|| PathBuf::from(image));
    let read = match &file {
        Some(path) => Specification::load(path),
        None => catalogue::specification(image),
    };
    let specification = read.map_err(|error| unreadable(image, error))?;
    Ok(Selected { file, specification })
}

fn unreadable(image: &str, error: SpecificationError) -> Failure {
    let attempt = format!("cannot use {image}");
    match &error {
        SpecificationError::Invalid { .. } => {
            let faults = error.render();
            Failure::usage(format!("{error}\n\n{}", faults.trim_end()))
        }
        SpecificationError::UnknownImage { suggestion, .. } => {
            let hint = match suggestion {
                Some(name) => format!("did you mean {name}?"),
                None => {
                    "`lightship catalogue` lists the names; a FILE has a slash or ends in .yaml".to_owned()
                }
            };
            Failure::new(Kind::Usage, attempt, error).hint(hint)
        }
        SpecificationError::Read { .. } => Failure::new(Kind::Usage, attempt, error),
    }
}

/// The plans of the variants that `option` asks for, of every image.
pub(crate) fn plans(selected: &[Selected], option: &str) -> Result<Vec<Plan>, Failure> {
    let mut plans: Vec<Plan> = Vec::new();
    for image in selected {
        let specification = &image.specification;
        if option == "all" {
            plans.extend(specification.plans.iter().cloned());
            continue;
        }
        for variant in list(option, "--variant")? {
            let plan = specification.plan(variant).ok_or_else(|| {
                let known: Vec<&str> = specification
                    .plans
                    .iter()
                    .map(|plan| plan.variant.as_str())
                    .collect();
                Failure::usage(format!("{} has no variant `{variant}`", specification.name))
                    .hint(format!("its variants are {}", known.join(", ")))
            })?;
            plans.push(plan.clone());
        }
    }
    if let Some(twice) = first_twice(&plans) {
        return Err(Failure::usage(format!(
            "{} ({}) is asked for twice",
            twice.name, twice.variant
        )));
    }
    Ok(plans)
}

fn first_twice(plans: &[Plan]) -> Option<&Plan> {
    let same = |a: &Plan, b: &Plan| a.name == b.name && a.variant == b.variant;
    plans
        .iter()
        .enumerate()
        .find(|(at, plan)| plans.iter().take(*at).any(|other| same(other, plan)))
        .map(|(_, plan)| plan)
}

/// The architectures that an `--arch` asks for, in the order of platforms in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Architectures {
    /// Everything that each image is made for.
    All,
    /// These.
    Some(Vec<Architecture>),
}

impl Architectures {
    pub(crate) fn parse(option: &str) -> Result<Architectures, Failure> {
        match option {
            "all" => return Ok(Architectures::All),
            "host" => return Ok(Architectures::Some(vec![host()?])),
            _ => {}
        }
        let mut architectures = Vec::new();
        for name in list(option, "--arch")? {
            let architecture: Architecture = name.parse().map_err(|error| {
                let known: Vec<&str> = Architecture::ALL.iter().map(|known| known.name()).collect();
                Failure::new(Kind::Usage, "cannot understand --arch", error).hint(format!(
                    "architectures are {}, or `host`, or `all`",
                    known.join(", ")
                ))
            })?;
            architectures.push(architecture);
        }
        architectures.sort();
        architectures.dedup();
        Ok(Architectures::Some(architectures))
    }

    /// Those that `plan` is built for.
    ///
    /// # Errors
    /// Wrong usage when the image is not made for one that was named.
    pub(crate) fn of(&self, plan: &Plan) -> Result<Vec<Architecture>, Failure> {
        let Architectures::Some(asked) = self else {
            return Ok(plan.architectures.clone());
        };
        match asked
            .iter()
            .find(|architecture| !plan.architectures.contains(architecture))
        {
            None => Ok(asked.clone()),
            Some(missing) => {
                let made_for: Vec<&str> = plan.architectures.iter().map(|known| known.name()).collect();
                Err(
                    Failure::usage(format!("{} is not made for {}", plan.name, missing.name()))
                        .hint(format!("it is made for {}", made_for.join(", "))),
                )
            }
        }
    }
}

/// The architecture of this machine.
fn host() -> Result<Architecture, Failure> {
    let name = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "riscv64gc" => "riscv64",
        other => other,
    };
    name.parse().map_err(|_| {
        Failure::usage(format!(
            "there are no images for this machine's architecture, {}",
            std::env::consts::ARCH
        ))
        .hint("name another one with --arch")
    })
}

/// Where the lock of the images is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LockPlace {
    /// A file of the user's.
    File(PathBuf),
    /// The cache: catalogue images without a lock in the current directory.
    Cache,
}

impl LockPlace {
    /// The place of the lock of `selected`: beside their files, else in the current directory, where `missing` says
    /// what a lock that is not there means.
    ///
    /// # Errors
    /// Wrong usage when the files are in different directories.
    pub(crate) fn of(selected: &[Selected], missing: MissingLock) -> Result<LockPlace, Failure> {
        let mut directories = selected
            .iter()
            .filter_map(|image| image.file.as_deref())
            .map(directory_of);
        let Some(directory) = directories.next() else {
            let here = PathBuf::from(LOCK_NAME);
            return Ok(match missing {
                MissingLock::UseCache if !here.exists() => LockPlace::Cache,
                MissingLock::UseCache | MissingLock::MakeFile => LockPlace::File(here),
            });
        };
        if let Some(other) = directories.find(|other| *other != directory) {
            return Err(Failure::usage(format!(
                "the files are in different directories, {} and {}, and so have different locks",
                shown(directory),
                shown(other)
            ))
            .hint("build them one after the other"));
        }
        Ok(LockPlace::File(directory.join(LOCK_NAME)))
    }
}

/// What it means for catalogue images that the current directory has no lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingLock {
    /// The lock in the cache is meant.
    UseCache,
    /// It is to be made here.
    MakeFile,
}

fn directory_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

fn shown(directory: &Path) -> String {
    if directory.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        directory.display().to_string()
    }
}

fn list<'o>(option: &'o str, name: &str) -> Result<Vec<&'o str>, Failure> {
    let items: Vec<&str> = option.split(',').map(str::trim).collect();
    if items.iter().any(|item| item.is_empty()) {
        return Err(Failure::usage(format!("{name} `{option}` has an empty item")));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &[&str]) -> Vec<Selected> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        read(&names).unwrap()
    }

    #[test]
    fn architectures_are_in_the_order_of_an_index_and_each_once() {
        let asked = Architectures::parse("riscv64,amd64,riscv64").unwrap();
        assert_eq!(
            asked,
            Architectures::Some(vec![Architecture::Amd64, Architecture::Riscv64])
        );
        assert!(Architectures::parse("x86").is_err());
        assert!(Architectures::parse("amd64,,arm64").is_err());
    }

    #[test]
    fn an_image_is_not_built_for_what_it_is_not_made_for() {
        let plan = &plans(&selected(&["static-debian12"]), "latest").unwrap()[0];
        assert!(Architectures::parse("riscv64").unwrap().of(plan).is_err());
        assert_eq!(Architectures::All.of(plan).unwrap(), plan.architectures);
    }

    #[test]
    fn variants_are_those_of_the_specification() {
        let selected = selected(&["static-debian13"]);
        let names = |option| {
            plans(&selected, option)
                .unwrap()
                .iter()
                .map(|plan| plan.variant.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("all"), ["latest", "nonroot", "debug", "debug-nonroot"]);
        assert_eq!(names("nonroot,latest"), ["nonroot", "latest"]);
        assert!(plans(&selected, "nightly").is_err());
        assert!(plans(&selected, "latest,latest").is_err());
    }

    #[test]
    fn files_in_different_directories_have_no_common_lock() {
        let specification = catalogue::specification("static-debian13").unwrap();
        let at = |file: &str| Selected {
            file: Some(PathBuf::from(file)),
            specification: specification.clone(),
        };
        let place = |files: &[&str]| {
            LockPlace::of(
                &files.iter().map(|file| at(file)).collect::<Vec<_>>(),
                MissingLock::UseCache,
            )
        };
        assert_eq!(
            place(&["a/x.yaml", "a/y.yaml"]).unwrap(),
            LockPlace::File("a/lightship.lock".into())
        );
        assert!(place(&["a/x.yaml", "b/y.yaml"]).is_err());
        assert_eq!(
            place(&["x.yaml"]).unwrap(),
            LockPlace::File("lightship.lock".into())
        );
    }
}
