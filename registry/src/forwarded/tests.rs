//! Which hop is believed, and what is left out.

use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;

const PROXY: &str = "10.0.0.1";

fn trusted(networks: &[&str]) -> TrustedProxies {
    TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap()))
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// As `client scheme host`, with `-` for what is not known.
fn shown(peer: &str, lines: &[(&'static str, &str)]) -> String {
    let trusted = trusted(&["10.0.0.0/8", "fd00::/8"]);
    let forwarded = trusted.forwarded(peer.parse().unwrap(), &headers(lines));
    let host = forwarded.host.as_deref().unwrap_or("-");
    format!("{} {} {host}", forwarded.client, forwarded.scheme.unwrap_or("-"))
}

#[test]
fn networks_are_what_they_say() {
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::/0", "2001:db8::1", "10.0.0.1"),
        ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
    ] {
        let network: Network = network.parse().unwrap();
        assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
        assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
    }
    for (text, error) in [
        ("10.0.0.1/8", NetworkError::Beyond),
        ("2001:db8::1/64", NetworkError::Beyond),
        ("10.0.0.0/33", NetworkError::Form),
        ("::/129", NetworkError::Form),
        ("::ffff:0.0.0.0/95", NetworkError::Form),
        ("10.0.0.0/", NetworkError::Form),
        ("10.0.0.0/+8", NetworkError::Form),
        ("10.0.0.0/300", NetworkError::Form),
        ("proxy.example", NetworkError::Form),
        ("", NetworkError::Form),
    ] {
        assert_eq!(text.parse::<Network>(), Err(error), "{text}");
    }
}

#[test]
fn what_a_trusted_proxy_says_counts() {
    for (lines, expected) in [
        (vec![("x-forwarded-for", "192.0.2.7")], "192.0.2.7 - -"),
        (vec![("x-forwarded-for", "::ffff:192.0.2.7")], "192.0.2.7 - -"),
        (vec![("x-forwarded-for", "[2001:db8::1]:80")], "2001:db8::1 - -"),
        (
            vec![("x-forwarded-for", "1.1.1.1, 192.0.2.7:4711 ,10.0.0.2")],
            "192.0.2.7 - -",
        ),
        (
            vec![("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "192.0.2.7")],
            "192.0.2.7 - -",
        ),
        (
            vec![
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-proto", "http, HTTPS"),
                ("x-forwarded-host", "evil.example, r.example:8443"),
            ],
            "192.0.2.7 https r.example:8443",
        ),
        (vec![("x-forwarded-proto", "https")], "10.0.0.1 https -"),
        (
            vec![(
                "forwarded",
                "For=1.1.1.1;proto=http, for=\"192.0.2.7:80\";by=x;Proto=https;host=\"r.example\"",
            )],
            "192.0.2.7 https r.example",
        ),
        (
            vec![(
                "forwarded",
                "for=\"[2001:db8::1]\";proto=https, for=10.0.0.9;proto=http",
            )],
            "2001:db8::1 https -",
        ),
        (vec![("forwarded", "for=unknown;proto=https")], "10.0.0.1 https -"),
        (
            vec![("forwarded", "for=192.0.2.7"), ("x-forwarded-for", "192.0.2.7")],
            "192.0.2.7 - -",
        ),
    ] {
        assert_eq!(shown(PROXY, &lines), expected, "{lines:?}");
        assert_eq!(shown("::ffff:10.0.0.1", &lines), expected, "{lines:?}");
        // Of anybody else, nothing of it does.
        assert_eq!(shown("192.0.2.99", &lines), "192.0.2.99 - -", "{lines:?}");
    }
}

#[test]
fn what_nobody_can_be_sure_of_is_left_out() {
    let long = format!("{}for=192.0.2.7", "for=1.1.1.1,".repeat(1000));
    for (lines, expected) in [
        // Nobody is believed beyond what cannot be read.
        (
            vec![("x-forwarded-for", "1.1.1.1, unknown, 10.0.0.2")],
            "10.0.0.2 - -",
        ),
        (vec![("x-forwarded-for", "")], "10.0.0.1 - -"),
        (vec![("x-forwarded-for", "1.1.1.1, 10.0.0.300")], "10.0.0.1 - -"),
        // Which of the two is the proxy's?
        (
            vec![
                ("forwarded", "for=1.1.1.1;proto=https"),
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-proto", "https"),
            ],
            "10.0.0.1 - -",
        ),
        // Quotes that the client left open hide what the proxy wrote.
        (
            vec![("forwarded", "for=\"1.1.1.1, for=192.0.2.7")],
            "10.0.0.1 - -",
        ),
        (
            vec![("forwarded", "for=1.1.1.1\", for=192.0.2.7;host=\"x\"")],
            "10.0.0.1 - -",
        ),
        (vec![("forwarded", long.as_str())], "10.0.0.1 - -"),
        (
            vec![
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-proto", "javascript"),
            ],
            "192.0.2.7 - -",
        ),
        (
            vec![
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-host", "a\"b.example"),
            ],
            "192.0.2.7 - -",
        ),
    ] {
        assert_eq!(shown(PROXY, &lines), expected, "{lines:?}");
    }
    let nobody = TrustedProxies::default();
    let said = headers(&[("x-forwarded-for", "192.0.2.7")]);
    let forwarded = nobody.forwarded(PROXY.parse().unwrap(), &said);
    assert_eq!(forwarded.client, PROXY.parse::<IpAddr>().unwrap());
}

#[test]
fn as_many_hops_are_looked_at_as_may_be() {
    let through = |proxies: usize| {
        let list = format!("192.0.2.7{}", ",10.0.0.2".repeat(proxies));
        shown(PROXY, &[("x-forwarded-for", &list)])
    };
    assert_eq!(through(HOPS_MAX - 1), "192.0.2.7 - -");
    assert_eq!(through(HOPS_MAX), "10.0.0.2 - -");
}

/// An address of a proxy or of somebody else, about as often.
fn hop() -> impl Strategy<Value = IpAddr> {
    (any::<bool>(), any::<[u8; 3]>()).prop_map(|(is_proxy, [a, b, c])| {
        let first = if is_proxy { 10 } else { 192 };
        IpAddr::from([first, a, b, c])
    })
}

fn is_proxy(address: &IpAddr) -> bool {
    address.to_string().starts_with("10.")
}

proptest! {
    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy(
        hops in proptest::collection::vec(hop(), 1..HOPS_MAX),
        by_standard in any::<bool>(),
    ) {
        let texts: Vec<String> = hops.iter().map(ToString::to_string).collect();
        let line = match by_standard {
            true => ("forwarded", format!("for={}", texts.join(", for="))),
            false => ("x-forwarded-for", texts.join(", ")),
        };
        let expected = hops.iter().rfind(|hop| !is_proxy(hop)).unwrap_or(&hops[0]);
        prop_assert_eq!(shown(PROXY, &[(line.0, &line.1)]), format!("{expected} - -"));
    }

    #[test]
    fn nothing_that_a_client_writes_changes_where_it_comes_from(
        written in "[ -~]{0,60}",
        client in any::<[u8; 3]>(),
        by_standard in any::<bool>(),
    ) {
        let client = IpAddr::from([192, client[0], client[1], client[2]]);
        let lines = match by_standard {
            // A proxy adds a line of its own, or writes behind what there is.
            true => vec![("forwarded", format!("for={client}"))],
            false => vec![("x-forwarded-for", format!("{written}, {client}"))],
        };
        let mut all = vec![(lines[0].0, written.as_str())];
        all.extend(lines.iter().map(|(name, text)| (*name, text.as_str())));
        let shown = shown(PROXY, &all);
        let seen = shown.split(' ').next().unwrap();
        // At worst it is not known.
        let is_hidden = by_standard && seen == PROXY;
        prop_assert!(is_hidden || seen == client.to_string(), "{}", shown);
    }

    #[test]
    fn no_header_whatever_breaks_it(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let mut headers = HeaderMap::new();
            for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
                headers.append(name, value.clone());
            }
            let forwarded = trusted(&["10.0.0.0/8"]).forwarded(PROXY.parse().unwrap(), &headers);
            prop_assert!(forwarded.host.is_none_or(|host| crate::registry::is_host(&host)));
        }
    }
}

#[test]
fn a_client_that_writes_the_other_family_names_neither_scheme_nor_host() {
    let by_proxy = [
        ("x-forwarded-for", "192.0.2.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "real.example"),
    ];
    let with = |forwarded: &'static str| {
        let mut lines = by_proxy.to_vec();
        lines.push(("forwarded", forwarded));
        shown(PROXY, &lines)
    };
    assert_eq!(
        with("for=192.0.2.9;host=evil.example;proto=https"),
        "192.0.2.9 https -"
    );
    assert_eq!(
        with("for=192.0.2.9;host=real.example;proto=http"),
        "192.0.2.9 - real.example"
    );
    let only_address = [
        ("x-forwarded-for", "192.0.2.9"),
        ("forwarded", "for=192.0.2.9;host=evil.example;proto=https"),
    ];
    assert_eq!(shown(PROXY, &only_address), "192.0.2.9 - -");
}
