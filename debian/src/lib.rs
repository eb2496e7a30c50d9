//! An APT archive: signatures, versions, relations, indexes, resolver, package files.
