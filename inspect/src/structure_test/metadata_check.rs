//! The check of an image's configuration.

use std::collections::BTreeMap;

use super::image::ImageFacts;
use super::suite::{ExpectedPair, ExpectedValue, MetadataTest};

/// What is wrong with the configuration, in words; nothing when all is well.
pub(super) fn metadata(test: &MetadataTest, image: &ImageFacts) -> Vec<String> {
    let mut errors = Vec::new();
    errors.extend(pairs("variable", &test.variables, &image.environment));
    for name in test
        .unbound_variables
        .iter()
        .filter(|name| image.environment.contains_key(*name))
    {
        errors.push(format!("variable {name} is set, it should not be"));
    }
    errors.extend(pairs("label", &test.labels, &image.labels));
    errors.extend(words("cmd", test.cmd.as_ref(), &image.cmd));
    errors.extend(words("entrypoint", test.entrypoint.as_ref(), &image.entrypoint));
    errors.extend(text("working directory", test.workdir.as_ref(), &image.workdir));
    errors.extend(text("user", test.user.as_ref(), &image.user));
    for port in test
        .exposed_ports
        .iter()
        .filter(|port| !image.exposed_ports.contains(ImageFacts::port_number(port)))
    {
        errors.push(format!("port {port} is not exposed"));
    }
    for port in test
        .unexposed_ports
        .iter()
        .filter(|port| image.exposed_ports.contains(ImageFacts::port_number(port)))
    {
        errors.push(format!("port {port} is exposed, it should not be"));
    }
    for volume in test
        .volumes
        .iter()
        .filter(|volume| !image.volumes.contains(*volume))
    {
        errors.push(format!("volume {volume} is not declared"));
    }
    for volume in test
        .unmounted_volumes
        .iter()
        .filter(|volume| image.volumes.contains(*volume))
    {
        errors.push(format!("volume {volume} is declared, it should not be"));
    }
    errors
}

fn pairs(what: &str, expected: &[ExpectedPair], actual: &BTreeMap<String, String>) -> Vec<String> {
    let fault = |pair: &ExpectedPair| {
        let key = &pair.key;
        let Some(value) = actual.get(key) else {
            return Some(format!("{what} {key} is not set"));
        };
        match &pair.value {
            ExpectedValue::Exact(wanted) if wanted == value => None,
            ExpectedValue::Exact(wanted) => Some(format!("{what} {key} is {value:?}, expected {wanted:?}")),
            ExpectedValue::Matching(pattern) if pattern.is_match(value.as_bytes()) => None,
            ExpectedValue::Matching(pattern) => Some(format!(
                "{what} {key} is {value:?}, which does not match {:?}",
                pattern.as_str()
            )),
        }
    };
    expected.iter().filter_map(fault).collect()
}

fn words(what: &str, expected: Option<&Vec<String>>, actual: &[String]) -> Option<String> {
    let expected = expected.filter(|expected| expected.as_slice() != actual)?;
    Some(format!("the {what} is {actual:?}, expected {expected:?}"))
}

fn text(what: &str, expected: Option<&String>, actual: &str) -> Option<String> {
    let expected = expected.filter(|expected| *expected != actual)?;
    Some(format!("the {what} is {actual:?}, expected {expected:?}"))
}
