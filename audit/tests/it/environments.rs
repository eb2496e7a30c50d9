//! Values of environments that stand in folders of their own.

use crate::directories::{look, mapping, write};

#[test]
fn files_of_environments_in_folders_of_their_own_count() {
    let chart = |path: &'static str| {
        vec![
            ("c/Chart.yaml", "name: c\nversion: 1.0.0\n"),
            ("c/values.yaml", "registry: gcr.io\nproject: acme\n"),
            (
                "c/templates/p.yaml",
                "image: {{ .Values.registry }}/{{ .Values.project }}/app:1\n",
            ),
            (path, "project: PROJECT\n"),
        ]
    };
    let module = |path: &'static str| {
        vec![
            (
                "m/main.tf",
                "variable \"registry\" {\n  default = \"gcr.io\"\n}\nvariable \"project\" {\n  default = \"acme\"\n}\n\
                 resource \"x\" \"y\" {\n  image = \"${var.registry}/${var.project}/app:1\"\n}\n",
            ),
            (path, "project = \"PROJECT\"\n"),
        ]
    };
    let make = |include: &'static str| vec![("Makefile", include), ("mk/env.mk", "PROJECT := PROJECT\n")];
    for files in [
        chart("c/environments/prod.yaml"),
        chart("c/ci/eu/values.yaml"),
        module("m/environments/prod.tfvars"),
        module("m/env/eu/prod.tfvars"),
        make(
            "REG := gcr.io\nPROJECT := acme\ninclude mk/env.mk\npush:\n\tdocker push $(REG)/$(PROJECT)/app\n",
        ),
    ] {
        for (project, is_moved) in [("acme", true), ("other", false)] {
            let root = tempfile::tempdir().unwrap();
            let given: Vec<(&str, String)> = files
                .iter()
                .map(|(path, text)| {
                    (
                        *path,
                        text.replace("PROJECT := PROJECT", &format!("PROJECT := {project}")),
                    )
                })
                .map(|(path, text)| (path, text.replace(": PROJECT\n", &format!(": {project}\n"))))
                .map(|(path, text)| (path, text.replace("\"PROJECT\"", &format!("\"{project}\""))))
                .collect();
            let given: Vec<(&str, &str)> = given.iter().map(|(path, text)| (*path, text.as_str())).collect();
            write(root.path(), &given);
            let found = look(root.path(), &mapping("gcr.io/acme=x.example/acme"));
            let host = found.iter().find(|one| one.matched == "gcr.io").unwrap();
            assert_eq!(host.fix.is_some(), is_moved, "{given:?}: {:?}", host.stays);
        }
    }
}

#[test]
fn what_a_variable_includes_may_have_any_value() {
    let root = tempfile::tempdir().unwrap();
    let text =
        "REG := gcr.io\nPROJECT := acme\ninclude env/$(ENV).mk\npush:\n\tdocker push $(REG)/$(PROJECT)/app\n";
    write(root.path(), &[("Makefile", text)]);
    let found = look(root.path(), &mapping("gcr.io/acme=x.example/acme"));
    assert!(
        found[0]
            .stays
            .as_ref()
            .is_some_and(|why| why.starts_with("not everything"))
    );
}
