//! Names with several values.

use super::tests::{ALIKE, becomes};
use crate::{Auditor, Settings};

#[test]
fn each_value_that_a_name_has_somewhere_counts() {
    let gitlab = "variables:\n  REG: gcr.io\n.push:\n  script:\n    - docker push $REG/$PROJECT/app:1\n\
                  stage:\n  extends: .push\n  variables:\n    PROJECT: acme\nprod:\n  extends: .push\n  variables:\n    PROJECT: LAST\n";
    let circle = "version: 2.1\njobs:\n  build:\n    environment: {PROJECT: acme}\n    steps:\n      - run: docker push gcr.io/$PROJECT/app\n  \
                  third:\n    environment: {PROJECT: LAST}\n    steps:\n      - run: docker push gcr.io/$PROJECT/app\n  \
                  last:\n    environment: {PROJECT: acme}\n    steps:\n      - run: docker push gcr.io/$PROJECT/app\n";
    let script = "P=acme; if x; then P=LAST; elif y; then P=acme; fi; R=gcr.io\ndocker push $R/$P/app\n";
    for (path, text) in [
        (".gitlab-ci.yml", gitlab),
        (".circleci/config.yml", circle),
        ("a.sh", script),
    ] {
        let told = becomes(path, &text.replace("LAST", "other"), ALIKE);
        assert!(
            told.starts_with("stays: ") && told.contains("gcr.io/other/app"),
            "{told}"
        );
        let moved = text.replace("LAST", "acme");
        assert_eq!(becomes(path, &moved, ALIKE), moved.replace("gcr.io", "x.example"));
    }
}

#[test]
fn what_follows_a_project_is_read_where_all_of_it_is_known() {
    let auditor = Auditor::new(Settings::default());
    for (text, wanted) in [
        ("ARG V=1\nFROM gcr.io/acme/x:${V}\n", Some("gcr.io/acme/x:1")),
        ("ARG V\nFROM gcr.io/acme/x:${V:-2}\n", Some("gcr.io/acme/x:2")),
        ("ARG V=1\nARG W\nFROM gcr.io/acme/x:$V-$W\n", None),
        ("FROM gcr.io/acme/x:1\n", None),
    ] {
        let found = auditor.file("Dockerfile", text.as_bytes()).findings;
        let composed = found[0]
            .composed
            .as_ref()
            .map(|composed| composed.references.as_slice());
        let read = composed.map(|references| references[0].reference.as_str());
        assert_eq!(read, wanted, "{text}");
        assert_eq!(
            found[0].used_reference(),
            wanted.or(found[0].reference.as_deref())
        );
    }
    // Of two values none is the one.
    let found = auditor
        .file("a.sh", b"V=1\nif x; then V=2; fi\ndocker push gcr.io/acme/x:$V\n")
        .findings;
    assert_eq!(found[0].composed.as_ref().unwrap().references.len(), 2);
    assert_eq!(found[0].used_reference(), Some("gcr.io/acme/x:$V"));
}

#[test]
fn more_values_than_are_looked_at_keep_a_place() {
    let values =
        |count: usize| -> String { (0..count).map(|number| format!("P=acme/a{number}\n")).collect() };
    let script = |count| format!("{}R=gcr.io\ndocker push $R/$P/app\n", values(count));
    assert!(becomes("a.sh", &script(128), ALIKE).contains("R=x.example"));
    assert_eq!(
        becomes("a.sh", &script(129), ALIKE),
        "stays: not everything that is put together from it is known"
    );
    // Each of several names has its own.
    let both = "P=acme\nP=other\nI=x\nI=y\nR=gcr.io\ndocker push $R/$P/$I\n";
    let auditor = Auditor::new(Settings::default());
    let found = auditor.file("a.sh", both.as_bytes()).findings;
    let composed = found[0].composed.as_ref().unwrap();
    let mut all: Vec<&str> = composed
        .references
        .iter()
        .map(|whole| whole.reference.as_str())
        .collect();
    all.sort_unstable();
    assert_eq!(
        all,
        [
            "gcr.io/acme/x",
            "gcr.io/acme/y",
            "gcr.io/other/x",
            "gcr.io/other/y"
        ]
    );
    assert!(composed.is_whole);
}

#[test]
fn what_a_step_hands_on_to_later_ones_counts() {
    let workflow = |line: &str| {
        format!(
            "on: push\nenv:\n  R: gcr.io\n  P: acme\njobs:\n  a:\n    steps:\n      - run: {line}\n      - run: docker push $R/$P/app\n"
        )
    };
    for line in [
        "echo \"P=other\" >> \"$GITHUB_ENV\"",
        "echo P=other >> $GITHUB_ENV",
        "printf 'P=other\\n' >> ${GITHUB_ENV}",
        "echo 'export P=other' >> \"$BASH_ENV\"",
        "echo \"P=other\" >> build.env",
        "echo \"##vso[task.setvariable variable=P;isOutput=true]other\"",
    ] {
        let told = becomes(".github/workflows/a.yml", &workflow(line), ALIKE);
        assert!(
            told.starts_with("stays: ") && told.contains("gcr.io/other/app"),
            "{line}: {told}"
        );
    }
    for line in [
        "echo P=other",
        "echo \"P=$P\" >> $GITHUB_ENV",
        "echo P=acme >> $GITHUB_ENV",
    ] {
        let moved = becomes(".github/workflows/a.yml", &workflow(line), ALIKE);
        assert_eq!(moved, workflow(line).replace("gcr.io", "x.example"), "{line}");
    }
}

#[test]
fn values_that_may_be_chosen_count() {
    for (path, text) in [
        (
            ".gitlab-ci.yml",
            "variables:\n  R: gcr.io\n  P:\n    value: acme\n    options: [acme, LAST]\npush:\n  script:\n    - docker push $R/$P/app\n",
        ),
        (
            ".github/workflows/a.yml",
            "on:\n  workflow_dispatch:\n    inputs:\n      p:\n        type: choice\n        default: acme\n        options: [acme, LAST]\nenv:\n  \
             R: gcr.io\njobs:\n  a:\n    steps:\n      - run: docker push $R/${{ inputs.p }}/app\n",
        ),
        (
            "azure-pipelines.yml",
            "parameters:\n- name: p\n  default: acme\n  values: [acme, LAST]\nvariables:\n  R: gcr.io\nsteps:\n- script: docker push $(R)/${{ parameters.p }}/app\n",
        ),
    ] {
        let told = becomes(path, &text.replace("LAST", "other"), ALIKE);
        assert!(
            told.starts_with("stays: ") && told.contains("gcr.io/other/app"),
            "{path}: {told}"
        );
        let moved = text.replace("LAST", "acme");
        assert_eq!(becomes(path, &moved, ALIKE), moved.replace("gcr.io", "x.example"));
    }
}
