use crate::fix::{Mapping, propose, rewrite};
use crate::{Auditor, Settings};

/// What a file becomes; where nothing is rewritten, why.
pub(super) fn becomes(path: &str, text: &str, mapping: &str) -> String {
    let auditor = Auditor::new(Settings::default());
    let mut map = Mapping::known();
    map.add(mapping).unwrap();
    let mut findings = auditor.file(path, text.as_bytes()).findings;
    propose(&mut findings, &map);
    match rewrite(&auditor, path, text.as_bytes(), &findings) {
        Some(fixed) => fixed.after,
        None => {
            let why: Vec<&str> = findings.iter().filter_map(|one| one.stays.as_deref()).collect();
            format!("stays: {}", why.join("; "))
        }
    }
}

pub(super) const DEEPER: &str = "gcr.io/acme=eu-docker.pkg.dev/acme/images";
pub(super) const ALIKE: &str = "gcr.io/acme=x.example/acme";
pub(super) const WHOLE: &str = "gcr.io=x.example";
const APART: &str = "gcr.io/acme=x.example/sub\ngcr.io=y.example";

/// A file for each way in which languages put references together: `R` is the host, `IMAGE` what follows it.
const TOGETHER: [(&str, &str); 12] = [
    ("a.sh", "R=gcr.io\ndocker push $R/IMAGE\n"),
    ("Makefile", "R = gcr.io\na:\n\tdocker push $(R)/IMAGE\n"),
    (
        "main.tf",
        "locals {\n  r = \"gcr.io\"\n  i = \"${local.r}/IMAGE\"\n}\n",
    ),
    (
        ".gitlab-ci.yml",
        "variables:\n  R: gcr.io\na:\n  script:\n    - docker push $R/IMAGE\n",
    ),
    ("Dockerfile", "ARG R=gcr.io\nFROM $R/IMAGE\n"),
    ("values.yaml", "image:\n  registry: gcr.io\n  repository: IMAGE\n"),
    (
        "values.json",
        "{\"image\": {\"registry\": \"gcr.io\", \"repository\": \"IMAGE\"}}\n",
    ),
    (
        "BUILD.bazel",
        "container_pull(name = \"d\", registry = \"gcr.io\", repository = \"IMAGE\")\n",
    ),
    ("a.ps1", "$R = 'gcr.io'\ndocker push \"$R/IMAGE\"\n"),
    ("a.py", "R = \"gcr.io\"\nI = f\"{R}/IMAGE\"\n"),
    ("compose.yml", "services:\n  a:\n    image: ${R:-gcr.io}/IMAGE\n"),
    ("a.bat", "set R=gcr.io\r\ndocker push %R%/IMAGE\r\n"),
];

#[test]
fn a_host_becomes_what_is_right_for_all_that_is_put_together_from_it() {
    for (path, text) in TOGETHER {
        let of = |image: &str, mapping| becomes(path, &text.replace("IMAGE", image), mapping);
        let with = |image: &str, new| text.replace("IMAGE", image).replace("gcr.io", new);
        // A repository more than before does not fit into a host.
        assert!(of("acme/x", DEEPER).starts_with("stays: "), "{path}");
        assert!(of("acme/x", APART).starts_with("stays: "), "{path}");
        assert!(of("distroless/x", DEEPER).starts_with("stays: "), "{path}");
        assert!(of("distroless/x", APART).starts_with("stays: "), "{path}");
        assert!(of("distroless/x", WHOLE).starts_with("stays: "), "{path}");
        assert!(of("other/x", ALIKE).starts_with("stays: "), "{path}");
        assert_eq!(of("acme/x", WHOLE), with("acme/x", "x.example"), "{path}");
        assert_eq!(of("acme/x", ALIKE), with("acme/x", "x.example"), "{path}");
    }
}

#[test]
fn what_programs_join_and_what_names_may_be_otherwise_counts_as_well() {
    for (path, text) in [
        ("a.py", "R = \"gcr.io\"\nx = R + \"/IMAGE\"\n"),
        ("a.py", "R = \"gcr.io\"\nx = \"%s/IMAGE\" % R\n"),
        (
            "a.go",
            "package a\nconst R = \"gcr.io\"\nvar y = fmt.Sprintf(\"%s/IMAGE\", R)\n",
        ),
        (
            "BUILD.bazel",
            "R = \"gcr.io\"\noci_push(name = \"p\", repository = R + \"/IMAGE\")\n",
        ),
        (
            "a.sh",
            "if x; then R=gcr.io; else R=y.example; fi\ndocker push $R/IMAGE\n",
        ),
    ] {
        let of = |image: &str, mapping| becomes(path, &text.replace("IMAGE", image), mapping);
        assert!(of("acme/x", DEEPER).starts_with("stays: "), "{text}");
        assert!(of("distroless/x", WHOLE).starts_with("stays: "), "{text}");
        let wanted = text.replace("IMAGE", "acme/x").replace("gcr.io", "x.example");
        assert_eq!(of("acme/x", ALIKE), wanted, "{text}");
        assert_eq!(of("acme/x", WHOLE), wanted, "{text}");
    }
}

#[test]
fn what_disagrees_is_named() {
    let script = "R=gcr.io\ndocker push $R/acme/x\ndocker pull $R/distroless/x\n";
    assert_eq!(
        becomes(
            "a.sh",
            script,
            "gcr.io/acme=x.example/sub\ngcr.io/distroless=y.example/distroless"
        ),
        "stays: gcr.io/acme/x is put together from it and becomes x.example/sub/x: more than this would have to change"
    );
    assert_eq!(
        becomes(
            "a.sh",
            script,
            "gcr.io/acme=x.example/acme\ngcr.io/distroless=y.example/distroless"
        ),
        "stays: gcr.io/acme/x and gcr.io/distroless/x are put together from it, and move to different places"
    );
    assert_eq!(
        becomes("a.sh", script, WHOLE),
        "stays: gcr.io/distroless/x stays where it is, and no mapping names its project"
    );
}

#[test]
fn the_beginning_of_a_name_may_have_a_longer_mapping() {
    let pairs = "gcr.io=y.example\ngcr.io/acme=x.example/sub";
    let deep = "gcr.io/acme=x.example/a\ngcr.io/acme/special=z.example/q";
    for (path, text, mapping) in [
        ("a.sh", "docker push gcr.io/$P/x\n", pairs),
        ("a.sh", "P=acme\ndocker push gcr.io/$P/x\n", pairs),
        ("a.sh", "docker push gcr.io/acme$REST\n", pairs),
        ("a.sh", "docker push gcr.io/acme/$IMAGE\n", deep),
        ("a.py", "x = \"gcr.io/acme/\" + name\n", deep),
        (
            "a.py",
            "x = \"gcr.io/acme/special-\" + name\n",
            "gcr.io/acme/special=z.example/q",
        ),
        ("a.sh", "R=gcr.io/acme\ndocker push $R/special/x\n", deep),
        ("a.py", "R = \"gcr.io\"\n", ALIKE),
        ("defs.bzl", "R = \"gcr.io\"\n", DEEPER),
        ("defs.bzl", "R = \"gcr.io\"\n", "gcr.io=x.example/old"),
        (
            "Jenkinsfile",
            "docker.withRegistry('https://gcr.io', 'gcr:a') { docker.build('acme/api').push() }",
            DEEPER,
        ),
        (
            "Jenkinsfile",
            "docker.withRegistry('https://gcr.io', 'gcr:a') { }",
            "gcr.io=x.example/old",
        ),
    ] {
        assert!(
            becomes(path, text, mapping).starts_with("stays: "),
            "{path}: {text}"
        );
    }
}

#[test]
fn the_beginning_of_a_name_moves_where_every_mapping_agrees() {
    for (path, text, mapping, new) in [
        (
            "a.sh",
            "docker push gcr.io/acme/$IMAGE\n",
            DEEPER,
            "eu-docker.pkg.dev/acme/images",
        ),
        (
            "a.sh",
            "R=gcr.io/acme\ndocker push $R/x\n",
            DEEPER,
            "eu-docker.pkg.dev/acme/images",
        ),
        (
            "a.sh",
            "docker push gcr.io/acme/x:$TAG\n",
            DEEPER,
            "eu-docker.pkg.dev/acme/images",
        ),
    ] {
        assert_eq!(
            becomes(path, text, mapping),
            text.replace("gcr.io/acme", new),
            "{text}"
        );
    }
    let jenkins = "docker.withRegistry('https://gcr.io', 'gcr:a') { docker.build('acme/api').push() }";
    assert_eq!(
        becomes("Jenkinsfile", jenkins, WHOLE),
        jenkins.replace("gcr.io", "x.example")
    );
    assert_eq!(
        becomes("a.sh", "P=acme\ndocker push gcr.io/$P/x\n", ALIKE),
        "P=acme\ndocker push x.example/$P/x\n"
    );
}

#[test]
fn addresses_of_the_api_keep_their_path() {
    let text = "curl https://gcr.io/v2/acme/api/tags/list\n";
    assert_eq!(becomes("a.sh", text, WHOLE), text.replace("gcr.io", "x.example"));
    assert!(becomes("a.sh", text, "gcr.io=x.example/sub").starts_with("stays: "));
    assert!(becomes("a.sh", text, DEEPER).starts_with("stays: "));
}

#[test]
fn what_moves_images_line_by_line_does_not_copy_them_to_themselves() {
    for (path, text) in [
        (
            "images.yaml",
            "images:\n  - source: gcr.io/acme/app\n    destination: x.example/acme/app\n",
        ),
        (
            "a.sh",
            "SRC=gcr.io/acme\nDST=x.example/acme\ncrane copy $SRC/a $DST/a\n",
        ),
        (
            "a.sh",
            "docker pull gcr.io/acme/$i\ndocker push x.example/acme/$i\n",
        ),
        ("a.sh", "crane cp gcr.io/acme/a:1 \\\n  x.example/acme/a:2\n"),
    ] {
        assert!(becomes(path, text, ALIKE).starts_with("stays: "), "{text}");
    }
    // Another image that is there already says nothing, nor does one far away.
    for others in [
        "x.example/acme/apps",
        "x.example/acme",
        "y.x.example/acme/app",
        "\n\n\nx.example/acme/app",
    ] {
        let text = format!("docker pull gcr.io/acme/app\ndocker pull {others}\n");
        assert_eq!(
            becomes("a.sh", &text, ALIKE),
            text.replace("gcr.io", "x.example"),
            "{text}"
        );
    }
}

#[test]
fn names_that_are_made_of_names_keep_these() {
    let skaffold = "apiVersion: skaffold/v4beta11\nkind: Config\nbuild:\n  artifacts:\n    - image: gcr.io/acme/app\ndeploy:\n  helm:\n    releases:\n      \
                    - setValueTemplates:\n          image: \"{{.IMAGE_REPO_gcr_io_acme_app}}\"\n";
    assert!(becomes("skaffold.yaml", skaffold, ALIKE).starts_with("stays: "));
    let other = skaffold.replace("_REPO_gcr_io_acme_app", "_REPO");
    assert!(becomes("skaffold.yaml", &other, ALIKE).contains("x.example/acme/app"));
    let address = "env:\n  OCI_ROOT_URL: https://gcr.io\n";
    assert!(becomes("a.yaml", address, "gcr.io=x.example/sub").starts_with("stays: only a host"));
    assert_eq!(
        becomes("a.yaml", address, WHOLE),
        address.replace("gcr.io", "x.example")
    );
}

#[test]
fn lists_of_what_is_let_in_are_not_rewritten() {
    let policy = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec:\n  image: \"gcr.io/acme/*\"\n";
    assert!(becomes("policy.yaml", policy, WHOLE).starts_with("stays: old and new places"));
    assert!(becomes("a.sh", "NO_PROXY=gcr.io\n", WHOLE).starts_with("stays: "));
    assert!(becomes("a.py", "x = \"*.gcr.io\"\n", WHOLE).starts_with("stays: "));
}

#[test]
fn what_is_put_together_with_another_name_for_it_counts_too() {
    for text in [
        "R=gcr.io\ndocker push $R/acme/x\nS=$R\ndocker pull $S/distroless/x\n",
        "R=gcr.io\ndocker push $R/acme/x\nS=$R\nT=\"${S}\"\ndocker pull $T/distroless/x\n",
        "R=gcr.io\ndocker push $R/acme/x\nexport S=$R; docker pull $S/distroless/x\n",
    ] {
        let told = becomes("a.sh", text, ALIKE);
        assert!(told.contains("no mapping fits gcr.io/distroless/x"), "{told}");
        let moved = becomes("a.sh", &text.replace("distroless", "acme"), ALIKE);
        assert!(moved.starts_with("R=x.example\n"), "{moved}");
    }
}

#[test]
fn what_moves_images_and_what_lets_them_through_is_left() {
    for line in [
        "docker tag gcr.io/acme/x x.example/acme/x",
        "skopeo copy docker://gcr.io/acme/x docker://x.example/acme/x",
        "gcrane cp -r gcr.io/acme x.example/acme",
        "sed -i 's#gcr.io/acme/#x.example/acme/#g' k8s/*.yaml",
        "case $IMG in gcr.io/acme/*) echo ok;; esac",
        "[[ $IMG == gcr.io/acme/* ]] || exit 1",
    ] {
        let told = becomes("a.sh", &format!("{line}\n"), ALIKE);
        assert!(told.starts_with("stays: ") && told.len() > 20, "{line}: {told}");
    }
}

#[test]
fn what_programs_do_with_a_name_otherwise_keeps_it() {
    for (path, text) in [
        (
            "a.py",
            "R = \"gcr.io\"\na = R + \"/acme/x\"\nS = R\nb = S + \"/distroless/x\"\n",
        ),
        (
            "a.py",
            "R = \"gcr.io\"\na = R + \"/acme/x\"\nb = \"/\".join([R, \"distroless\", \"x\"])\n",
        ),
        (
            "a.py",
            "R = \"gcr.io\"\na = R + \"/acme/x\"\nb = \"{}/{}/x\".format(R, \"distroless\")\n",
        ),
        (
            "a.bzl",
            "R = \"gcr.io\"\nx(image = R + \"/acme/x\")\ny(image = R + \"/\" + p + \"/x\")\n",
        ),
        (
            "a.go",
            "const R = \"gcr.io\"\nvar a = R + \"/acme/x\"\nvar b = fmt.Sprintf(\"%s/%s/x\", R, \"distroless\")\n",
        ),
    ] {
        let told = becomes(path, text, ALIKE);
        assert!(
            told.contains("not everything that is put together from it is known"),
            "{path}: {told}"
        );
    }
}

#[test]
fn a_value_that_is_given_when_something_is_so_is_not_the_only_one() {
    let script = "R=gcr.io\nP=acme\nif [ \"$1\" = x ]; then P=distroless; fi\ndocker push $R/$P/x\n";
    let auditor = Auditor::new(Settings::default());
    for text in [script, &script.replace("R=gcr.io\n", "").replace("$R", "gcr.io")] {
        let found = auditor.file("a.sh", text.as_bytes()).findings;
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].rule.id, "image-own", "{text}");
    }
    let told = becomes("a.sh", script, ALIKE);
    assert!(told.contains("no mapping fits gcr.io/distroless/x"), "{told}");
}

#[test]
fn a_step_of_jenkins_takes_a_host_and_no_path() {
    let step = "node { docker.withRegistry(\"https://gcr.io/acme\", \"gcr:acme\") { docker.image(\"x\").push() } }\n";
    let told = becomes("Jenkinsfile", step, DEEPER);
    assert!(told.contains("only a host can stand here"), "{told}");
}

#[test]
fn hosts_are_named_behind_a_bare_configure_docker() {
    const TWO: &str = "gcr.io/acme=eu-docker.pkg.dev/acme/images\neu.gcr.io=us-docker.pkg.dev/acme/eu";
    let with = "configure-docker eu-docker.pkg.dev,us-docker.pkg.dev";
    for (path, text) in [
        (
            "a.sh",
            "gcloud auth configure-docker --quiet\ndocker push gcr.io/acme/x\n",
        ),
        ("Dockerfile", "RUN gcloud --quiet auth configure-docker && true\n"),
        (
            ".gitlab-ci.yml",
            "a:\n  script:\n    - gcloud auth configure-docker\n",
        ),
        (
            ".github/workflows/a.yml",
            "jobs:\n  a:\n    steps:\n      - run: gcloud auth configure-docker -q\n",
        ),
        ("Makefile", "a:\n\tgcloud auth configure-docker\n"),
        (
            "package.json",
            "{\"scripts\": {\"a\": \"gcloud auth configure-docker && x\"}}\n",
        ),
    ] {
        let told = becomes(path, text, TWO);
        assert!(told.contains(with), "{path}: {told}");
        assert!(!told.contains(&format!("{with} eu")), "{path}: {told}");
    }
    for (path, text, why) in [
        (
            "cloudbuild.yaml",
            "steps:\n- name: gcr.io/cloud-builders/gcloud\n  args: [auth, configure-docker]\n",
            "as its client wants",
        ),
        (
            "a.sh",
            "docker-credential-gcr configure-docker\n",
            "as its client wants",
        ),
        (
            "a.tf",
            "oauth_scopes = [\"storage-ro\"]\n",
            "`lightship audit explain oauth-scope`",
        ),
    ] {
        let told = becomes(path, text, TWO);
        assert!(told.contains(why), "{path}: {told}");
    }
    let told = becomes("a.sh", "gcloud auth configure-docker\n", WHOLE);
    assert!(told.contains("nothing is mapped to one"), "{told}");
}

#[test]
fn a_name_in_a_later_value_of_its_own_is_a_use() {
    for (path, text) in [
        (
            "a.sh",
            "R=gcr.io\ndocker push $R/acme/x\nexport R=$R/distroless/static\n./run.sh\n",
        ),
        (
            "Makefile",
            "R = gcr.io\na:\n\tdocker push $(R)/acme/x\nb: export R := $(R)/distroless/static\nb:\n\t./run.sh\n",
        ),
    ] {
        let told = becomes(path, text, ALIKE);
        assert!(told.starts_with("stays: "), "{path}: {told}");
    }
}

#[test]
fn a_name_that_kustomize_looks_for_in_bases_that_are_all_elsewhere_stays() {
    const LOCAL: &str = "../base";
    const FILE: &str = "https://example.com/a/deploy.yaml";
    for (path, bases, is_name_fixed) in [
        ("kustomization.yaml", LOCAL, true),
        ("kustomization.yaml", FILE, false),
        ("a/kustomization.yml", "github.com/a/b//deploy?ref=v1", false),
        ("kustomization.yaml", "git@example.com:a/b.git", false),
        ("values.yaml", FILE, true),
        // The one that is here has the image, as far as is known.
        ("kustomization.yaml", &format!("{FILE}\n- {LOCAL}"), true),
    ] {
        let text =
            format!("resources:\n- {bases}\nimages:\n- name: gcr.io/acme/x\n  newName: gcr.io/acme/y\n");
        let after = text.replace("gcr.io/acme/y", "x.example/acme/y");
        let wanted = match is_name_fixed {
            true => after.replace("gcr.io/acme/x", "x.example/acme/x"),
            false => after,
        };
        assert_eq!(becomes(path, &text, ALIKE), wanted);
    }
}
