//! What a request shows: the Authorization header, tokens of ours and of others, scopes, key files.

use access::{
    Claims, Credential, Grant, Grants, IssuerKeys, IssuerRules, KeyFile, Scope, TokenKey, TokenKind,
    claimed_issuer, identify,
};

/// What must hold of every input.
pub fn check(input: &str) {
    let key = TokenKey::new(&[1; 32]);
    // Nothing that comes from outside is signed.
    assert!(key.verify(input, 0).is_err());
    let _ = Credential::of_header(input);
    let (name, password) = input.split_once('\n').unwrap_or((input, ""));
    let _ = Credential::of_user(name, password);
    let _ = KeyFile::parse(input);
    let _ = claimed_issuer(input);
    if let Ok(keys) = IssuerKeys::parse(name.as_bytes()) {
        assert!(identify(password, &IssuerRules::default(), &keys, 0).is_err());
    }
    if let Ok(scopes) = Scope::parse_all([input]) {
        let grants = scopes.into_iter().filter_map(|scope| match scope {
            Scope::Repository { name, actions } => Some(Grant {
                resource: name,
                actions: actions.to_string(),
            }),
            _ => None,
        });
        let claims = Claims {
            kind: TokenKind::Access,
            subject: name.parse().ok(),
            sets: Vec::new(),
            generation: None,
            audience: input.to_owned(),
            issued: 0,
            expires: 1,
            grants: Grants::Only(grants.collect()),
            relayed: Vec::new(),
        };
        // What we sign we take, unless it is longer than anything we take.
        let token = key.sign(&claims);
        if token.len() <= access::TOKEN_BYTES_MAX {
            assert_eq!(key.verify(&token, 0), Ok(claims));
        }
    }
}
