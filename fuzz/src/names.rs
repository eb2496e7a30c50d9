//! A host, a line end, and a name on it: which package that is.

use std::sync::LazyLock;

use super::world::routes;
use registry::HostRoutes;

static ROUTES: LazyLock<HostRoutes> = LazyLock::new(routes);

/// What must hold of every input.
pub fn check(input: &str) {
    let Some((host, name)) = input.split_once('\n') else {
        return;
    };
    let Some(package) = ROUTES.package(host, name) else {
        return;
    };
    // A package's name is the end of the name that was asked for, with nothing cut within.
    let rest = package.name.as_str();
    assert!(name == rest || name.ends_with(&format!("/{rest}")), "{package}");
    assert!(!format!("/{package}/").contains("/../"));
    assert_eq!(
        package
            .repository
            .to_string()
            .parse::<store::RepositoryPath>()
            .ok()
            .as_ref(),
        Some(&package.repository)
    );
    // The port says nothing, nor does the case of the host.
    assert_eq!(
        ROUTES.package(&host.to_ascii_uppercase(), name).as_ref(),
        Some(&package)
    );
    // One repository, by the names of both registries.
    let (location, registry) = match host {
        "gcr.io" => ("us", host),
        "us.gcr.io" => ("us", host),
        "eu.gcr.io" => ("europe", host),
        "asia.gcr.io" => ("asia", host),
        _ => return,
    };
    let project = name.strip_suffix(rest).expect("as above");
    let same = format!("{project}{registry}/{rest}");
    assert_eq!(
        ROUTES.package(&format!("{location}-docker.pkg.dev"), &same),
        Some(package)
    );
}
