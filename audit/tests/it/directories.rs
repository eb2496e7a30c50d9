//! What files of a directory put together: found at one place, and rewritten there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use audit::fix::{self, Mapping};
use audit::revision::{self, State};
use audit::{Auditor, Finding, Settings, Severity, Tree, TreeOptions};

pub(crate) fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

pub(crate) fn mapping(text: &str) -> Mapping {
    let mut mapping = Mapping::known();
    mapping.add(text).unwrap();
    mapping
}

pub(crate) fn look(root: &Path, mapping: &Mapping) -> Vec<Finding> {
    let (auditor, options) = (Auditor::new(Settings::default()), TreeOptions::default());
    let mut found = Tree::new(&auditor, &options)
        .look(&[root.to_owned()])
        .unwrap()
        .findings;
    fix::propose(&mut found, mapping);
    found.retain(|finding| finding.severity > Severity::Info);
    found
}

/// Rewrites what is found, and says how many files that are.
fn rewrite(found: &[Finding]) -> usize {
    let auditor = Auditor::new(Settings::default());
    let mut by_path: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
    for finding in found.iter().filter(|finding| finding.fix.is_some()) {
        by_path.entry(&finding.path).or_default().push(finding.clone());
    }
    for (path, findings) in &by_path {
        let seen = fs::read(path).unwrap();
        let fixed = fix::rewrite(&auditor, path, &seen, findings).unwrap();
        fix::write(Path::new(path), &seen, &fixed.bytes).unwrap();
    }
    by_path.len()
}

const CHART: &[(&str, &str)] = &[
    ("c/Chart.yaml", "name: c\nversion: 1.0.0\n"),
    ("c/values.yaml", "images:\n  registry: gcr.io\n  project: acme\n"),
    ("c/values-eu.yaml", "images:\n  registry: eu.gcr.io\n"),
    (
        "c/templates/pod.yaml",
        "image: {{ .Values.images.registry }}/{{ .Values.images.project }}/app:1\n",
    ),
];

const MODULE: &[(&str, &str)] = &[
    (
        "m/variables.tf",
        "variable \"host\" {\n  default = \"gcr.io\"\n}\n",
    ),
    (
        "m/main.tf",
        "resource \"x\" \"y\" {\n  image = \"${var.host}/acme/app\"\n}\n",
    ),
    ("m/eu.tfvars", "host = \"eu.gcr.io\"\n"),
];

const COMPOSE: &[(&str, &str)] = &[
    ("d/.env", "REGISTRY=gcr.io\n"),
    (
        "d/compose.yaml",
        "services:\n  a:\n    image: ${REGISTRY}/acme/app:${TAG:-1}\n",
    ),
];

const MAKE: &[(&str, &str)] = &[
    (
        "k/Makefile",
        "include names.mk\nall:\n\tdocker push $(REGISTRY)/acme/app\n",
    ),
    ("k/names.mk", "REGISTRY := gcr.io\n"),
];

#[test]
fn the_place_that_all_agree_on_is_rewritten_once() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for files in [CHART, MODULE, COMPOSE, MAKE] {
        write(root, files);
    }
    let mapping = mapping("gcr.io/acme=new.example/acme\neu.gcr.io/acme=eu.new.example/acme");
    let found = look(root, &mapping);
    assert!(
        found
            .iter()
            .all(|finding| finding.rule.id == "image-own" && finding.fix.is_some()),
        "{found:?}"
    );
    assert_eq!(found.len(), 6);
    assert_eq!(rewrite(&found), 6);
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(
        text("c/values.yaml"),
        "images:\n  registry: new.example\n  project: acme\n"
    );
    assert_eq!(text("c/values-eu.yaml"), "images:\n  registry: eu.new.example\n");
    assert_eq!(text("m/eu.tfvars"), "host = \"eu.new.example\"\n");
    assert_eq!(text("d/.env"), "REGISTRY=new.example\n");
    assert_eq!(text("k/names.mk"), "REGISTRY := new.example\n");
    assert_eq!(text("c/templates/pod.yaml"), CHART[3].1);
    // Nothing is left to find, and nothing to do.
    assert_eq!(look(root, &mapping).len(), 0);
}

#[test]
fn a_place_that_not_all_agree_on_is_left_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let check = |mapped: &str, wanted: &str| {
        let found = look(root, &mapping(mapped));
        let values: Vec<&Finding> = found
            .iter()
            .filter(|one| one.path.ends_with("/values.yaml"))
            .collect();
        assert!(values.len() == 1 && values[0].fix.is_none(), "{values:?}");
        let stays = values[0].stays.as_deref().unwrap_or_default();
        assert!(stays.contains(wanted), "{stays}");
    };
    write(root, CHART);
    // The name changes too, which stands elsewhere.
    check(
        "gcr.io/acme=new.example/other",
        "gcr.io/acme/app:1 is put together from it and becomes new.example/other/app:1",
    );
    let two = "gcr.io/acme=new.example/acme\ngcr.io/test=test.example/test";
    // Another file of values lies over the project, and not over the host.
    write(root, &[("c/values-test.yaml", "images:\n  project: test\n")]);
    check(two, "move to different places");
    write(root, &[("c/values-test.yaml", "images: {}\n")]);
    // What is handed on whole is used in ways that nothing here says.
    write(
        root,
        &[("c/templates/all.yaml", "data: {{ toYaml .Values.images }}\n")],
    );
    check(two, "not everything that is put together from it is known");
}

#[test]
fn other_directories_and_what_is_left_out_say_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for files in [CHART, MODULE, COMPOSE, MAKE] {
        write(root, files);
    }
    for path in ["c/Chart.yaml", "m/main.tf", "d/compose.yaml", "k/Makefile"] {
        let (_, name) = path.split_once('/').unwrap();
        fs::create_dir_all(root.join("other")).unwrap();
        fs::rename(root.join(path), root.join("other").join(name)).unwrap();
    }
    write(
        root,
        &[("c/Chart.yaml", CHART[0].1), ("m/ignored.tf", MODULE[1].1)],
    );
    write(root, &[(".gitignore", "ignored.tf\ntemplates/\n")]);
    let found = look(root, &Mapping::known());
    assert!(
        found.len() == 6 && found.iter().all(|one| one.rule.id == "host-legacy"),
        "{found:?}"
    );
}

#[test]
fn revisions_and_what_is_staged_know_their_own_directories() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let git = |words: &[&str]| {
        let named = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let done = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(named)
            .args(words)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q"]);
    write(root, CHART);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    // What is on disk is not what was committed, nor what is staged.
    write(
        root,
        &[(
            "c/values.yaml",
            "images:\n  registry: us.gcr.io\n  project: acme\n",
        )],
    );
    git(&["add", "."]);
    fs::remove_dir_all(root.join("c")).unwrap();
    let auditor = Auditor::new(Settings::default());
    let found = |state: State| -> Vec<String> {
        let report = revision::look(
            &auditor,
            &revision::Place::of(root).unwrap(),
            &state,
            &TreeOptions::default(),
        )
        .unwrap();
        let found = report.findings.into_iter();
        found
            .map(|one| format!("{} {}", one.path, one.reference.unwrap()))
            .collect()
    };
    assert_eq!(
        found(State::Revision("HEAD".to_owned())),
        [
            "c/values-eu.yaml eu.gcr.io/acme/app:1",
            "c/values.yaml gcr.io/acme/app:1"
        ]
    );
    assert_eq!(found(State::Staged), ["c/values.yaml us.gcr.io/acme/app:1"]);
}

#[test]
fn a_directory_that_is_made_to_take_long_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    // Many names that stand for many names, in many files over each other, for many hosts.
    let doubled = |line: usize| {
        format!(
            "  n{line} = \"{}\"\n",
            format!("${{local.n{}}}", line + 1).repeat(40)
        )
    };
    let locals: String = (0..200).map(doubled).collect();
    let hosts: String = (0..500).map(|line| format!("h{line} = \"gcr.io\"\n")).collect();
    let uses: String = (0..1000)
        .map(|line| format!("a{line} = \"${{var.h{}}}/${{local.n0}}\"\n", line % 500))
        .collect();
    let overlays: Vec<(String, String)> = (0..40)
        .map(|at| (format!("m/{at}.tfvars"), hosts.clone()))
        .collect();
    write(
        root,
        &[("m/a.tf", &format!("locals {{\n{locals}}}\n")), ("m/b.tf", &uses)],
    );
    for (path, text) in &overlays {
        write(root, &[(path, text)]);
    }
    let before = std::time::Instant::now();
    let found = look(root, &Mapping::known());
    assert_eq!(found.len(), 40 * 500);
    assert!(
        before.elapsed() < std::time::Duration::from_secs(30),
        "{:?}",
        before.elapsed()
    );
}

#[test]
fn another_name_for_a_variable_counts_in_a_module_of_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let module = "variable \"r\" {\n  default = \"gcr.io\"\n}\nlocals {\n  s = var.r\n  a = \"${var.r}/acme/x\"\n  \
                  b = \"${local.s}/distroless/x\"\n}\n";
    write(root, &[("m/main.tf", module)]);
    let found = look(root, &mapping("gcr.io/acme=x.example/acme"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].rule.id, "image-own");
    let stays = found[0].stays.as_deref().unwrap_or_default();
    assert!(stays.contains("gcr.io/distroless/x"), "{stays}");
}

#[test]
fn what_a_pipeline_includes_by_a_pattern_counts() {
    let pipeline = "include: PATTERN\nvariables:\n  R: gcr.io\na:\n  script: docker push $R/acme/x\n";
    let part = "b:\n  script: docker pull $R/distroless/static\n";
    for (pattern, has_part) in [
        ("'/ci/b/part.yml'", true),
        ("'/ci/b/*.yml'", true),
        ("'ci/**.yml'", true),
        ("[local: ci/**/*.yml]", true),
        ("'**.yml'", true),
        ("'ci/*.yml'", false),
        ("'c*/b/p*.yml'", true),
        ("'ci/*/b/*.yml'", false),
        ("'c?/b/*.yml'", false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let pipeline = pipeline.replace("PATTERN", pattern);
        write(root, &[(".gitlab-ci.yml", &pipeline), ("ci/b/part.yml", part)]);
        let found = look(root, &mapping("gcr.io/acme=x.example/acme"));
        assert_eq!(found.len(), 1, "{found:?}");
        let stays = found[0].stays.as_deref().unwrap_or_default();
        assert_eq!(
            stays.contains("gcr.io/distroless/static"),
            has_part,
            "{pattern}: {stays}"
        );
    }
}

const HELPER: &str = "{{- define \"c.r\" -}}\n{{ .Values.r }}\n{{- end -}}\n";

/// Each by the one before.
const DEEP: &str = "{{ define \"c.h1\" }}{{ include \"c.r\" . }}{{ end }}{{ define \"c.h2\" }}{{ include \"c.h1\" . }}{{ end }}\
                    {{ define \"c.h3\" }}{{ include \"c.h2\" . }}{{ end }}{{ define \"c.h4\" }}{{ include \"c.h3\" . }}{{ end }}\
                    {{ define \"c.h5\" }}{{ include \"c.h4\" . }}{{ end }}{{ define \"c.h6\" }}{{ include \"c.h5\" . }}{{ end }}\
                    {{ define \"c.h7\" }}{{ include \"c.h6\" . }}{{ end }}{{ define \"c.h8\" }}{{ include \"c.h7\" . }}{{ end }}\
                    {{ define \"c.h9\" }}{{ include \"c.h8\" . }}{{ end }}";

/// Files of a chart that use one of its values in another way than a line of its own.
const WAYS: [(&str, &[(&str, &str)]); 14] = [
    (
        "a helper that has a choice",
        &[
            (
                "templates/_a.tpl",
                "{{- define \"c.r\" -}}\n{{- if .Values.g -}}\n{{ .Values.g }}\n{{- else -}}\n{{ .Values.r }}\n{{- end -}}\n{{- end -}}\n",
            ),
            (
                "templates/b.yaml",
                "image: {{ include \"c.r\" . }}/distroless/x\n",
            ),
        ],
    ),
    (
        "a helper of a chart in it",
        &[
            ("charts/d/Chart.yaml", "name: d\n"),
            ("charts/d/templates/_a.tpl", HELPER),
            (
                "templates/b.yaml",
                "image: {{ include \"c.r\" . }}/distroless/x\n",
            ),
        ],
    ),
    (
        "a helper that nobody here has",
        &[(
            "templates/b.yaml",
            "image: {{ include \"c.r\" . }}/distroless/x\n",
        )],
    ),
    (
        "helpers one behind the other",
        &[
            ("templates/_a.tpl", HELPER),
            ("templates/_b.tpl", DEEP),
            (
                "templates/b.yaml",
                "image: {{ include \"c.h9\" . }}/distroless/x\n",
            ),
        ],
    ),
    (
        "a list of templates",
        &[
            ("values-x.yaml", "i: [{j: '{{ .Values.r }}/distroless/x'}]\n"),
            ("templates/b.yaml", "{{ tpl (toYaml .Values.i) . }}\n"),
        ],
    ),
    (
        "a text of templates",
        &[
            (
                "values-x.yaml",
                "i: |\n  a: b\n  image: '{{ .Values.r }}/distroless/x'\n",
            ),
            ("templates/b.yaml", "{{ tpl .Values.i . }}\n"),
        ],
    ),
    (
        "what is otherwise",
        &[(
            "templates/b.yaml",
            "{{ with .Values.a }}{{ else }}image: {{ .Values.r }}/distroless/x{{ end }}\n",
        )],
    ),
    (
        "many names",
        &[
            (
                "values.yaml",
                "r: &r gcr.io\na: {r: *r}\nb: {r: *r}\nc: {r: *r}\nd: {r: *r}\ne: {r: *r}\n",
            ),
            (
                "templates/b.yaml",
                "image: {{ .Values.a.r }}/distroless/x\nimage: {{ .Values.b.r }}/acme/x\nimage: {{ .Values.c.r }}/acme/x\n\
                 image: {{ .Values.d.r }}/acme/x\nimage: {{ .Values.e.r }}/acme/x\n",
            ),
        ],
    ),
    (
        "a helper",
        &[
            ("templates/_a.tpl", HELPER),
            (
                "templates/b.yaml",
                "image: {{ include \"c.r\" . }}/distroless/x\n",
            ),
        ],
    ),
    (
        "a helper in a helper",
        &[
            ("templates/_a.tpl", HELPER),
            (
                "templates/_b.tpl",
                "{{ define \"c.i\" }}{{ template \"c.r\" $ }}/distroless{{ end }}",
            ),
            ("templates/b.yaml", "image: {{ include \"c.i\" . | quote }}/x\n"),
        ],
    ),
    (
        "a value that is a template",
        &[
            ("values-x.yaml", "i: '{{ .Values.r }}/distroless/x'\n"),
            ("templates/b.yaml", "image: {{ tpl .Values.i . }}\n"),
        ],
    ),
    (
        "a chart by another name",
        &[
            ("Chart.yaml", "name: c\ndependencies:\n- alias: e\n  name: d\n"),
            ("values.yaml", "r: &r gcr.io\ne:\n  s: *r\n"),
            ("charts/d/Chart.yaml", "name: d\n"),
            (
                "charts/d/templates/b.yaml",
                "image: {{ .Values.s }}/distroless/x\n",
            ),
        ],
    ),
    (
        "a chart in a chart in a chart",
        &[
            ("values.yaml", "global:\n  r: gcr.io\n"),
            ("templates/a.yaml", "image: {{ .Values.global.r }}/acme/x\n"),
            ("charts/d/Chart.yaml", "name: d\n"),
            ("charts/d/charts/e/Chart.yaml", "name: e\n"),
            (
                "charts/d/charts/e/templates/b.yaml",
                "image: {{ .Values.global.r }}/distroless/x\n",
            ),
        ],
    ),
    ("no other way", &[]),
];

#[test]
fn other_ways_by_which_a_chart_uses_a_value_count() {
    const USE: &str = "image: {{ .Values.r }}/acme/x\n";
    for (way, files) in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        write(
            root,
            &[
                ("Chart.yaml", "name: c\n"),
                ("values.yaml", "r: gcr.io\n"),
                ("templates/a.yaml", USE),
            ],
        );
        write(root, files);
        let found = look(root, &mapping("gcr.io/acme=x.example/acme"));
        let of_values = |one: &&Finding| one.path.ends_with("/values.yaml");
        let found: Vec<&Finding> = found.iter().filter(of_values).collect();
        assert_eq!(found.len(), 1, "{way}: {found:?}");
        assert_eq!(found[0].fix.is_none(), !files.is_empty(), "{way}: {found:?}");
    }
}

#[test]
fn patterns_of_a_pipeline_that_are_made_to_break_it_do_not() {
    let nested = format!("'{}*{}'", "{".repeat(5000), "}".repeat(5000));
    let many: Vec<String> = (0..9000).map(|number| format!("'**{number}*'")).collect();
    for pattern in [
        nested,
        format!("'{}*'", "?".repeat(150_000)),
        format!("[{}]", many.join(", ")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let pipeline =
            format!("include: {pattern}\nvariables:\n  R: gcr.io\na:\n  script: docker push $R/acme/x\n");
        write(
            directory.path(),
            &[(".gitlab-ci.yml", &pipeline), ("ci/a.yml", "a: b\n")],
        );
        let found = look(directory.path(), &mapping("gcr.io=x.example"));
        assert!(found.len() == 1 && found[0].fix.is_none(), "{found:?}");
    }
}

#[test]
fn charts_with_the_library_of_bitnami_are_rewritten() {
    const VALUES: &str =
        "global:\n  imageRegistry: \"\"\nimage:\n  registry: gcr.io\n  repository: acme/web\n  tag: v1\n";
    const HELPERS: &str = "{{- define \"web.image\" -}}\n{{ include \"common.images.image\" (dict \"imageRoot\" .Values.image \"global\" \
                           .Values.global) }}\n{{- end -}}\n";
    const SECRETS: &str = "{{- include \"common.images.renderPullSecrets\" (dict \"images\" (list .Values.image) \"context\" $) }}\n";
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(
        root,
        &[
            ("Chart.yaml", "name: web\n"),
            ("values.yaml", VALUES),
            ("templates/_helpers.tpl", HELPERS),
            ("templates/a.yaml", SECRETS),
            ("templates/b.yaml", "image: {{ template \"web.image\" . }}\n"),
        ],
    );
    let mapping = mapping("gcr.io/acme=x.example/acme");
    let found = look(root, &mapping);
    assert_eq!(found[0].reference.as_deref(), Some("gcr.io/acme/web:v1"));
    assert_eq!(rewrite(&found), 1);
    let written = fs::read_to_string(root.join("values.yaml")).unwrap();
    assert_eq!(written, VALUES.replace("gcr.io", "x.example"));
    // What counts for all images instead of their own registries.
    let values = VALUES.replace("registry: gcr.io", "registry: docker.io");
    write(root, &[("values.yaml", &values.replace("\"\"", "gcr.io"))]);
    let found = look(root, &mapping);
    assert_eq!(found[0].reference.as_deref(), Some("gcr.io/acme/web:v1"));
    assert_eq!(rewrite(&found), 1);
}
