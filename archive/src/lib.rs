//! Tar, ar and compression: deterministic writers, bounded readers. Bytes in, bytes out.
