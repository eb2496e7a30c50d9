use crate::rules::found::found;

#[test]
fn admission_policies_are_found() {
    for (text, wanted) in [
        (
            "admissionWhitelistPatterns:\n- namePattern: gcr.io/p/*\n",
            vec!["2 admission-policy gcr.io/p/*"],
        ),
        (
            "admissionWhitelistPatterns: [{namePattern: 'eu.gcr.io/${var.p}/*'}]\n",
            vec!["1 admission-policy eu.gcr.io/${var.p}/*"],
        ),
        (
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec:\n  message: from gcr.io\n  image: \"gcr.io/p/* | *.gcr.io/q\"\n",
            vec![
                "4 host-legacy gcr.io",
                "5 admission-policy gcr.io/p/*",
                "5 admission-policy *.gcr.io/q",
            ],
        ),
        (
            "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: X\nspec: {parameters: {repos: [us.gcr.io/]}}\n",
            vec!["3 admission-policy us.gcr.io/"],
        ),
        (
            "trustedRegistries: [gcr.io/p]\n",
            vec!["1 admission-policy gcr.io/p"],
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec: {image: gcr.io/p/i}\n",
            vec!["3 image-own gcr.io/p/i"],
        ),
    ] {
        assert_eq!(found("policy.yaml", text), wanted, "{text}");
    }
}

#[test]
fn network_allow_lists_are_found() {
    for (path, text, wanted) in [
        (
            "a.yaml",
            "apiVersion: x/v1\nkind: ServiceEntry\nspec:\n  hosts:\n  - gcr.io\n  - '*.gcr.io'\n",
            vec!["5 network-allow-list gcr.io", "6 network-allow-list *.gcr.io"],
        ),
        (
            "a.yaml",
            "env:\n  NO_PROXY: x,.gcr.io\n",
            vec!["2 network-allow-list .gcr.io"],
        ),
        (
            "a.yaml",
            "env:\n- name: no_proxy\n  value: gcr.io\n",
            vec!["3 network-allow-list gcr.io"],
        ),
        (
            "a.yaml",
            "environment:\n- NO_PROXY=gcr.io\n",
            vec!["2 network-allow-list gcr.io"],
        ),
        (
            "a.yaml",
            "with:\n  allowed-endpoints: >\n    gcr.io:443\n    ghcr.io:443\n",
            vec!["3 network-allow-list gcr.io"],
        ),
        (
            "allowed-domains.txt",
            "ghcr.io\n.gcr.io\n",
            vec!["2 network-allow-list .gcr.io"],
        ),
        (
            "client.py",
            "GCR_HOSTS = (\n    'gcr.io',\n)\n",
            vec!["2 host-legacy gcr.io"],
        ),
        (".env", "SERVER=gcr.io\n", vec!["1 host-legacy gcr.io"]),
        (
            "dnsmasq.conf",
            "server=/gcr.io/1.1.1.1\n",
            vec!["1 network-allow-list gcr.io"],
        ),
        ("notes.txt", "gcr.io\n", vec!["1 host-legacy gcr.io"]),
    ] {
        assert_eq!(found(path, text), wanted, "{text}");
    }
}
