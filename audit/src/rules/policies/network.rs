//! Whether a host stands in an allow-list of a network: by its keys, its resource, its line or its file.

use std::sync::LazyLock;

use regex::Regex;

use super::place::Manifest;
use crate::kind::Kind;
use crate::reading::outline::plain;
use crate::reading::{Piece, Step};
use crate::rules::Look;

/// Kinds of resources that say what traffic goes where.
const KINDS: [&str; 15] = [
    "ServiceEntry",
    "VirtualService",
    "DestinationRule",
    "Sidecar",
    "NetworkSet",
    "GlobalNetworkSet",
    "EgressFirewall",
    "EgressGateway",
    "DNSManagedZone",
    "DNSRecordSet",
    "DNSPolicy",
    "DNSEndpoint",
    "AzureFirewallPolicy",
    "AccessContextManagerServicePerimeter",
    "NetworkSecurityURLList",
];

/// Keys that only lists of hosts have.
const KEYS: [&str; 18] = [
    "noproxy",
    "additionalnoproxy",
    "tofqdns",
    "fqdn",
    "fqdns",
    "targetfqdns",
    "destinationfqdns",
    "destfqdns",
    "dnsname",
    "dnsnames",
    "dnszone",
    "dnszones",
    "servername",
    "servernames",
    "sslservername",
    "hostaliases",
    "urlallowlist",
    "egressallowlist",
];

/// Types of Terraform's resources that say what traffic goes where, or parts of their names.
const RESOURCES: [&str; 12] = [
    "network_security",
    "networksecurity",
    "networkfirewall",
    "network_firewall",
    "firewall",
    "google_dns_",
    "aws_route53",
    "azurerm_private_dns",
    "azurerm_dns",
    "network_policy",
    "url_list",
    "service_perimeter",
];

/// Whether the keys or the resource of a value say so.
pub(super) fn is_value(look: &Look<'_>, piece: &Piece, manifest: &Manifest<'_>) -> bool {
    let in_image = matches!(piece.path.last(), Some(Step::Key(key)) if plain(key).ends_with("image"));
    if in_image {
        return false;
    }
    if manifest.kind.ends_with("NetworkPolicy") || KINDS.contains(&manifest.kind) {
        return true;
    }
    for key in piece.keys() {
        let is_resource = look.kind == Kind::Hcl
            && RESOURCES
                .iter()
                .any(|resource| key.to_ascii_lowercase().contains(resource));
        if is_resource || is_key(&plain(key)) {
            return true;
        }
    }
    is_named_variable(look, piece)
}

/// `allowed_domains`, `allowed-endpoints`, `domainWhitelist`.
fn is_key(key: &str) -> bool {
    let is_allowing = ["allow", "whitelist", "permit"]
        .iter()
        .any(|word| key.contains(word));
    let is_of_hosts = [
        "domain",
        "host",
        "fqdn",
        "endpoint",
        "url",
        "dns",
        "destination",
        "egress",
    ]
    .iter()
    .any(|word| key.contains(word));
    KEYS.contains(&key) || is_allowing && is_of_hosts || key.ends_with("noproxy")
}

/// `- name: NO_PROXY` with a value, `- NO_PROXY=…`.
fn is_named_variable(look: &Look<'_>, piece: &Piece) -> bool {
    let text = piece.text.text();
    let is_assignment = text
        .split_once('=')
        .is_some_and(|(name, _)| plain(name) == "noproxy");
    let Some((Step::Key(_), map)) = piece.path.split_last() else {
        return is_assignment;
    };
    let name = look
        .outline
        .key(map, "name")
        .and_then(|index| look.document.pieces.get(index));
    is_assignment || name.is_some_and(|name| plain(name.text.text()) == "noproxy")
}

/// Whether a line of some configuration says by itself that it is about where traffic goes.
pub(super) fn is_line(line: &str) -> bool {
    LINE.is_match(line.trim())
}

#[expect(clippy::expect_used, reason = "a literal, which a test compiles")]
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?xi)
        ^acl\s .*(dstdomain|dstdom_regex|url_regex|server_name|hdr\(host\)|hdr_dom|sni|dst)   # squid, HAProxy
        | ^(server_name|proxy_pass|proxy_ssl_name|proxy_set_header\s+host|resolver|ServerName|ServerAlias
            |ProxyPass|ProxyPassReverse|ProxyRemote|NoProxy|use_backend|use-server|connect-to)\s      # nginx, Apache
        | \b(local-zone|local-data|local-zone-override|forward-zone|stub-zone|domain-insecure)\s*:   # unbound
        | ^zone\s+"?[^\s]*gcr                                                                        # BIND
        | ^\$ORIGIN\b | \bIN\s+(A|AAAA|CNAME|NS|TXT|SOA)\b | \sCNAME\s                               # zones
        | ^(server|address|local|ipset|nftset|rebind-domain-ok)=/|^cname=.*,                             # dnsmasq
        | \bno_?proxy\b
        | shExpMatch|dnsDomainIs|localHostOrDomainIs                                                 # PAC
        | req[._]ssl_sni|ssl_preread|ssl_fc_sni
        | ^(\*?\.?([a-z-]+\.)?gcr\.io(:\d+)?\s*)+\{                                                   # Corefile, Caddyfile
        | ^\d{1,3}(\.\d{1,3}){3}\s+[a-z*.]                                                           # hosts
        "#,
    )
    .expect("a literal")
});

/// Whether a file is a list of hosts, by its name.
pub(super) fn is_list_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is_text = match name.rsplit_once('.') {
        Some((_, extension)) => matches!(
            extension,
            "txt" | "list" | "lst" | "conf" | "acl" | "hosts" | "domains" | "rpz" | "filter"
        ),
        None => true,
    };
    let is_named = [
        "allow",
        "white",
        "permit",
        "domain",
        "squid",
        "proxy",
        "egress",
        "firewall",
        "fqdn",
        "bypass",
        "tinyproxy",
        "hosts",
        "filter",
        "passthrough",
        "sni",
    ]
    .iter()
    .any(|word| name.contains(word));
    name.ends_with(".acl") || name.ends_with(".rpz") || is_text && is_named
}

/// Whether a line is a host, or a pattern of one, and nothing else.
pub(super) fn is_host_line(line: &str) -> bool {
    let line = line.split(['#', ';']).next().unwrap_or_default().trim();
    let line = line.trim_matches(['"', '\'', ',', '^', '$', '|', '/']);
    let bare = line.strip_prefix("https://").unwrap_or(line);
    !bare.is_empty()
        && bare
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-*\\:()?/[]+|".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_they_are_for() {
        for line in [
            "acl registries dstdomain .gcr.io",
            "    server_name gcr.io us.gcr.io;",
            "proxy_pass https://gcr.io;",
            "proxy_set_header Host gcr.io;",
            "local-zone: \"gcr.io.\" redirect",
            "* IN CNAME gcr.io.",
            "$ORIGIN gcr.io.",
            "address=/gcr.io/199.36.153.4",
            "server=/gcr.io/pkg.dev/1.1.1.1",
            "cname=gcr.io,restricted.googleapis.com",
            "Environment=\"NO_PROXY=localhost,gcr.io\"",
            "if (shExpMatch(host, \"*.gcr.io\")) return \"DIRECT\";",
            "gcr.io:53 {",
            "199.36.153.8 gcr.io",
            "acl is_gcr req.ssl_sni -i gcr.io",
        ] {
            assert!(is_line(line), "{line}");
        }
        for line in [
            "image: gcr.io/p/i",
            "docker push gcr.io/p/i",
            "REGISTRY=gcr.io",
            "SERVER=gcr.io",
            "server=gcr.io",
            "local=gcr.io",
        ] {
            assert!(!is_line(line), "{line}");
        }
        assert!(is_host_line(".gcr.io") && is_host_line("gcr.io # why") && !is_host_line("x = gcr.io"));
        assert!(is_list_file("etc/squid/whitelist.acl") && is_list_file("proxy/allowed-domains.txt"));
        assert!(!is_list_file("README.md") && !is_list_file("main.go"));
    }
}
