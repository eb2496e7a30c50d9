//! What is read, what is refused, and that the example is true.

use super::*;

impl Configuration {
    /// With every key of the example in force.
    pub(crate) fn example_in_force() -> Configuration {
        Configuration::parse(&uncommented()).unwrap()
    }
}

fn uncommented() -> String {
    let lines = example();
    let lines = lines.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn refused(text: &str) -> String {
    let error = Configuration::parse(text).unwrap_err();
    let failure = fault::failure("server.toml", text, &error);
    format!("{failure:?}")
}

#[test]
fn the_example_configures_nothing_as_it_is_and_everything_without_its_comments() {
    assert_eq!(
        Configuration::parse(&example()).unwrap(),
        Configuration::default()
    );
    let full = Configuration::parse(&uncommented()).unwrap();
    assert_eq!(full.tls.further.len(), 1);
    assert_eq!(full.access.issuers.len(), 1);
    assert!(full.rate.interval_seconds.is_some());
    assert_eq!(full.log.level, Some(LogLevel::Notices));
}

#[test]
fn faults_are_shown_where_they_are() {
    for (text, expected) in [
        ("[servr]\n", "did you mean `server`?"),
        ("[server]\nlissten = \"127.0.0.1:1\"\n", "did you mean `listen`?"),
        ("[server]\n\nlissten = 1\n", "server.toml:3:1"),
        ("[server]\nlisten = \"nowhere\"\n", "server.toml:2:10"),
        (
            "[limits]\nidle_seconds = 0\n",
            "expected a whole number from 1 to",
        ),
        ("[limits]\nidle_seconds = -1\n", "integer `-1`"),
        ("[limits]\nidle_seconds = \"60\"\n", "expected a whole number"),
        (
            "[collection]\ngrace_seconds = 60\n",
            "a whole number from 3600 to",
        ),
        ("[log]\nformat = \"jsn\"\n", "did you mean `json`?"),
        ("[access]\nanonymous_writes = \"anyone\"\n", "unknown variant"),
        (
            "[repositories]\nimmutable_tags = \"some\"\n",
            "\\\"none\\\", \\\"all\\\" or a list",
        ),
        ("[server]\nexternal_url = \"https://a/b\"\n", "and nothing else"),
        ("[routes]\ndefault_repository = \"images\"\n", "server.toml:2:22"),
        ("[[tls.further]]\ncertificate = \"a\"\n", "missing field `key`"),
        (
            "[[routes.hosts]]\nhost = \"a:80\"\nstyle = \"whole\"\n",
            "without its port",
        ),
        (
            "[[routes.hosts]]\nhost = \"a\"\nstyle = \"whole\"\n",
            "needs the key `repository`",
        ),
        (
            "[[routes.hosts]]\nhost = \"a\"\nstyle = \"artifact-registry\"\n",
            "begins with `*`",
        ),
        ("[server]\nlisten = \n", "server.toml:2:"),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"10.0.0.1/8\"]\n",
            "bits beyond those that count",
        ),
        (
            "[server]\ntrusted_proxies = \"10.0.0.0/8\"\n",
            "a list of at most",
        ),
    ] {
        let said = refused(text);
        assert!(said.contains(expected), "{text}: {expected} is not in {said}");
    }
}

#[test]
fn hosts_get_what_their_style_needs() {
    let text = "
        [[routes.hosts]]
        host = \"Images.example\"
        style = \"whole\"
        repository = \"projects/p/locations/l/repositories/r\"
        [[routes.hosts]]
        host = \"gcr.example\"
        style = \"container-registry\"
        repository = \"gcr.example\"
        location = \"us\"
        [[routes.hosts]]
        host = \"*-docker.pkg.example\"
        style = \"artifact-registry\"
    ";
    let hosts = Configuration::parse(text).unwrap().routes.hosts;
    let names: Vec<_> = hosts.iter().map(|entry| entry.0.host.as_str()).collect();
    assert_eq!(names, ["images.example", "gcr.example", "*-docker.pkg.example"]);
    let registry::Style::ArtifactRegistry { suffix } = &hosts[2].0.style else {
        panic!("{hosts:?}");
    };
    assert_eq!(suffix, "-docker.pkg.example");
}

#[test]
fn relative_paths_are_meant_from_the_file() {
    let mut configuration = Configuration::parse(&uncommented()).unwrap();
    configuration.stand_at(Path::new("/etc/lightship"));
    assert_eq!(
        configuration.tls.key.unwrap(),
        Path::new("/etc/lightship/tls/registry.key")
    );
    assert_eq!(
        configuration.tls.further[0].key,
        Path::new("/etc/lightship/tls/other.key")
    );
    assert_eq!(
        configuration.server.data.unwrap(),
        Path::new("/var/lib/lightship")
    );
}
