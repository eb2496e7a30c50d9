//! One bounded HTTP client: proxies, trust roots, retries, Retry-After, ranges.
