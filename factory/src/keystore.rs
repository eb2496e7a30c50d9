//! Java keystores.
