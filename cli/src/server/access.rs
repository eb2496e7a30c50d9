//! Who is believed, and how many requests are taken: from the configuration to what the registry wants.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use access::IssuerRules;
use registry::{AccessOptions, Introspection, Issuer, Rate, Rates};
use store::{Accounts as _, DataDirectory};
use transport::{Limits, Secret, Transport, TransportOptions, Url};

use crate::configuration;
use crate::failure::{Failure, Kind};
use crate::settings::Settings;
use crate::workshop::USER_AGENT;

/// Longest password of the registry at an issuer.
const SECRET_BYTES_MAX: u64 = 4096;

/// How long an issuer may take: somebody waits for the answer.
const ISSUER_TIME: Duration = Duration::from_secs(10);

/// Attempts at an issuer.
const ISSUER_ATTEMPTS: u32 = 2;

pub(super) fn access(
    access: configuration::Access,
    external_url: Option<String>,
    settings: &Settings,
) -> Result<AccessOptions, Failure> {
    let default = AccessOptions::default();
    let issuers: Vec<Issuer> = access.issuers.into_iter().map(issuer).collect::<Result<_, _>>()?;
    // Reading the machine's trust roots is not for those who ask nobody.
    let transport = (!issuers.is_empty()).then(|| {
        let mut options = TransportOptions::new(USER_AGENT);
        options.proxies = crate::registry_options::beyond_this_machine(settings.proxies());
        options.limits = Limits {
            connect: ISSUER_TIME,
            idle: ISSUER_TIME,
            request: ISSUER_TIME,
            answer: ISSUER_TIME,
            ..Limits::default()
        };
        options.retry.attempts_max = ISSUER_ATTEMPTS;
        Transport::new(options)
    });
    Ok(AccessOptions {
        issuers,
        transport,
        external_url,
        token_time: access
            .token_seconds
            .map_or(default.token_time, |time| time.seconds()),
    })
}

/// Whether a registry is closed, and nobody can show who they are.
pub(super) async fn nobody_can_log_in(
    directory: &DataDirectory,
    options: &AccessOptions,
) -> Result<bool, Failure> {
    let failed = |error| Failure::outside("cannot look for accounts", error);
    let metadata = directory.metadata();
    Ok(options.issuers.is_empty()
        && metadata.is_closed().await.map_err(failed)?
        && metadata.accounts(None, 1).await.map_err(failed)?.is_empty())
}

pub(super) fn rates(rate: &configuration::Rate) -> Rates {
    let interval = rate
        .interval_seconds
        .map_or(RATE_INTERVAL, |interval| interval.seconds());
    let of = |requests_max: u64| Rate {
        requests_max,
        interval,
    };
    Rates {
        per_address: rate.address_requests_max.map(|max| of(max.0)),
        per_principal: rate.principal_requests_max.map(|max| of(max.0)),
    }
}

const RATE_INTERVAL: Duration = Duration::from_secs(60);

fn issuer(issuer: configuration::Issuer) -> Result<Issuer, Failure> {
    let name = issuer.url.clone();
    let faulty = |problem: &str| Failure::usage(format!("the issuer {name} of the configuration {problem}"));
    if issuer.audiences.is_empty() {
        return Err(faulty(
            "has no audiences: tokens that are for others would be taken",
        ));
    }
    let url = |text: Option<String>| {
        text.map(|text| text.parse::<Url>())
            .transpose()
            .map_err(|error| Failure::new(Kind::Usage, format!("the issuer {name} has a faulty URL"), error))
    };
    let secret = issuer.client_secret_file.as_deref().map(secret).transpose()?;
    let introspection = match (url(issuer.introspection_url)?, url(issuer.tokeninfo_url)?) {
        (Some(_), Some(_)) => return Err(faulty("has both an introspection_url and a tokeninfo_url")),
        (Some(url), None) => Some(Introspection::Introspection {
            url,
            client_id: issuer
                .client_id
                .ok_or_else(|| faulty("needs a client_id with its introspection_url"))?,
            client_secret: secret
                .ok_or_else(|| faulty("needs a client_secret_file with its introspection_url"))?,
        }),
        (None, Some(url)) => Some(Introspection::TokenInfo { url }),
        (None, None) => None,
    };
    Ok(Issuer {
        rules: IssuerRules {
            issuer: issuer.url,
            audiences: issuer.audiences,
            pool: issuer.pool.unwrap_or_default(),
            subject_claim: issuer.subject_claim.unwrap_or_default(),
            groups_claim: issuer.groups_claim,
            attributes: issuer.attributes.unwrap_or_default(),
            email_domains: issuer.email_domains.unwrap_or_default(),
        },
        keys_url: url(issuer.jwks_uri)?,
        introspection,
        token_prefix: issuer.token_prefix.unwrap_or_default(),
    })
}

fn secret(path: &Path) -> Result<Secret, Failure> {
    let failed = |error| Failure::new(Kind::Usage, format!("cannot read {}", path.display()), error);
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(SECRET_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}
