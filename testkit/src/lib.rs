//! Fixtures for tests only: a small signed Debian archive made from real packages, and a server for it.
