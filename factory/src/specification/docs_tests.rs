//! The examples of docs/specification.md are specifications.

use std::path::Path;

use super::Specification;

const REFERENCE: &str = include_str!("../../../docs/specification.md");

fn examples() -> Vec<&'static str> {
    let blocks = REFERENCE.split("```yaml\n").skip(1);
    blocks.filter_map(|block| block.split("```").next()).collect()
}

#[test]
fn every_example_of_the_reference_reads() {
    let examples = examples();
    assert!(examples.len() >= 8, "{}", examples.len());
    for example in examples {
        if let Err(error) = Specification::parse("app.yaml", example, Path::new("")) {
            panic!("{error}\n{}\nin\n{example}", error.render());
        }
    }
}

#[test]
fn the_reference_names_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&super::json_schema()).expect("is JSON");
    let mut keys = Vec::new();
    collect(&schema, &mut keys);
    assert!(keys.len() > 50, "{}", keys.len());
    for key in keys {
        assert!(
            REFERENCE.contains(&format!("{key}:")) || REFERENCE.contains(&format!("`{key}`")),
            "{key}"
        );
    }
}

fn collect(value: &serde_json::Value, keys: &mut Vec<String>) {
    let Some(object) = value.as_object() else { return };
    for (name, inner) in object {
        if let (true, Some(properties)) = (name == "properties", inner.as_object()) {
            keys.extend(properties.keys().cloned());
        }
        collect(inner, keys);
    }
}
