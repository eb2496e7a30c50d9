//! Logins, and hosts that are logged in to.

use super::tests::{ALIKE, DEEPER, WHOLE, becomes};
use crate::fix::{Mapping, propose};
use crate::{Auditor, Settings};

#[test]
fn a_login_stays_with_the_images_that_stay() {
    let script = "docker login gcr.io\ndocker push gcr.io/acme/x\n";
    assert_eq!(
        becomes("a.sh", script, ALIKE),
        script.replace("gcr.io", "x.example")
    );
    for kept in [
        "docker push gcr.io/other/x",
        "docker push gcr.io/$PROJECT/x",
        "R=gcr.io; docker push $R/other/x",
    ] {
        let after = becomes("a.sh", &format!("{script}{kept}\n"), ALIKE);
        assert_eq!(
            after,
            format!("docker login gcr.io\ndocker push x.example/acme/x\n{kept}\n")
        );
    }
    // Everybody may pull these, from other hosts nothing is pulled with it, and what is only mentioned is not pulled.
    for kept in [
        "docker pull gcr.io/distroless/x",
        "docker pull eu.gcr.io/other/x",
        "# gcr.io/other/x",
    ] {
        let after = becomes("a.sh", &format!("{script}{kept}\n"), ALIKE);
        assert!(after.starts_with("docker login x.example\n"), "{after}");
        assert!(after.ends_with(&format!("{kept}\n")), "{after}");
    }
    let google = DEEPER;
    let bare = "gcloud auth configure-docker\ndocker push gcr.io/acme/x\n";
    assert!(becomes("a.sh", bare, google).starts_with("gcloud auth configure-docker eu-docker.pkg.dev\n"));
    let other = format!("{bare}docker push gcr.io/other/x\n");
    assert!(becomes("a.sh", &other, google).starts_with("gcloud auth configure-docker\n"));
    let both = "gcloud auth configure-docker gcr.io,eu.gcr.io\ndocker push gcr.io/acme/x\n";
    let mapping = &format!("{google}\neu.gcr.io=eu-docker.pkg.dev/acme/old");
    assert!(becomes("a.sh", both, mapping).starts_with("gcloud auth configure-docker eu-docker.pkg.dev\n"));
    let other = format!("{both}docker push gcr.io/other/x\n");
    assert!(becomes("a.sh", &other, mapping).starts_with("gcloud auth configure-docker gcr.io,eu.gcr.io\n"));
}

#[test]
fn logins_get_the_host_where_all_goes_to_one_and_googles_client_only_googles() {
    let google = "gcr.io=eu-docker.pkg.dev/acme/old";
    for (path, text, mapping, wanted) in [
        ("a.sh", "docker login gcr.io\n", WHOLE, "docker login x.example\n"),
        (
            "a.sh",
            "crane auth login gcr.io\n",
            WHOLE,
            "crane auth login x.example\n",
        ),
        (
            "a.sh",
            "kubectl create secret docker-registry s --docker-server=gcr.io\n",
            WHOLE,
            "kubectl create secret docker-registry s --docker-server=x.example\n",
        ),
        (
            "a.sh",
            "gcloud auth configure-docker gcr.io\n",
            google,
            "gcloud auth configure-docker eu-docker.pkg.dev\n",
        ),
        (
            "a.sh",
            "gcloud auth configure-docker gcr.io\n",
            WHOLE,
            "stays: gcloud sets up hosts of Google only, not x.example",
        ),
        (
            "a.sh",
            "docker login gcr.io\n",
            "gcr.io/a=x.example/a\ngcr.io/b=y.example/b",
            "stays: what is mapped from gcr.io goes to several hosts",
        ),
        (
            "config.json",
            "{\"auths\": {\"gcr.io\": {}}}",
            WHOLE,
            "{\"auths\": {\"x.example\": {}}}",
        ),
    ] {
        assert_eq!(becomes(path, text, mapping), wanted, "{text}");
    }
}

#[test]
fn a_login_in_a_file_of_its_own_stays_where_images_stay_elsewhere() {
    let auditor = Auditor::new(Settings::default());
    let mut map = Mapping::known();
    map.add(ALIKE).unwrap();
    let alone = "docker login gcr.io\n";
    let with_image = "docker login gcr.io\ndocker push gcr.io/acme/x\n";
    for (others, wanted) in [
        ("docker push gcr.io/acme/y\n", [true, true]),
        ("docker push gcr.io/other/y\n", [false, true]),
        ("docker push eu.gcr.io/other/y\n", [true, true]),
    ] {
        let files = [("login.sh", alone), ("both.sh", with_image), ("push.sh", others)];
        let mut found: Vec<_> = files
            .into_iter()
            .flat_map(|(path, text)| auditor.file(path, text.as_bytes()).findings)
            .collect();
        propose(&mut found, &map);
        let logins = found.iter().filter(|one| one.rule.id == "docker-login");
        let moves: Vec<bool> = logins.map(|one| one.fix.is_some()).collect();
        assert_eq!(moves, wanted, "{others}");
    }
}

#[test]
fn a_host_that_is_also_logged_in_to_gets_no_path() {
    let host = "gcr.io=eu-docker.pkg.dev/acme/images";
    for (path, text) in [
        (
            ".github/workflows/a.yml",
            "on: push\nenv:\n  R: gcr.io\njobs:\n  a:\n    steps:\n      - uses: docker/login-action@v3\n        with:\n          \
             registry: ${{ env.R }}\n          username: x\n      - run: docker push ${{ env.R }}/acme/x\n",
        ),
        (
            "a.sh",
            "R=gcr.io\ndocker login -u x https://$R\ndocker push $R/acme/x\n",
        ),
        (
            "a.sh",
            "R=gcr.io\ngcloud auth configure-docker \"$R\"\ndocker push $R/acme/x\n",
        ),
    ] {
        assert!(becomes(path, text, host).starts_with("stays: "), "{text}");
        assert_eq!(becomes(path, text, WHOLE), text.replace("gcr.io", "x.example"));
    }
    let only_pushed = "R=gcr.io\ndocker push $R/acme/x\n";
    assert!(becomes("a.sh", only_pushed, host).starts_with("R=eu-docker.pkg.dev/acme/images\n"));
}

#[test]
fn a_registry_that_a_step_puts_before_a_name_is_no_login_alone() {
    let plugin = |repo: &str| {
        format!(
            "kind: pipeline\nsteps:\n  - name: a\n    image: plugins/gcr\n    settings:\n      registry: us.gcr.io\n      repo: {repo}\n      json_key: x\n"
        )
    };
    let map = "us.gcr.io/acme=x.example/sub";
    assert!(
        becomes(".drone.yml", &plugin("acme/x"), map).starts_with("stays: what is pushed is put together")
    );
    let whole = becomes(".drone.yml", &plugin("us.gcr.io/acme/x"), map);
    assert!(
        whole.contains("registry: x.example\n      repo: x.example/sub/x\n"),
        "{whole}"
    );
}
