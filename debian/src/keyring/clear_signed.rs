//! Takes a clear-signed message apart.
//!
//! The parser of `pgp` looks through all that it has for every line that comes, so that a mirror could keep it busy for
//! hours with a file within our limit. It gets the message without its text here; the text is ours to take out.

use pgp::composed::CleartextSignedMessage;
use pgp::packet::Signature;

/// A clear-signed message.
pub(super) struct ClearSigned {
    /// The text, without the escapes and blanks that signatures do not cover. Lines end with a line feed; the last one
    /// has none.
    pub(super) text: String,
    pub(super) signatures: Vec<Signature>,
}

impl ClearSigned {
    /// Reads a file that is a clear-signed message and nothing else.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    ///
    /// Spec: RFC 9580 §7.
    pub(super) fn parse(signed: &str) -> Result<ClearSigned, String> {
        let text_start = head_bytes(signed).ok_or("no empty line ends its head")?;
        let (head, rest) = signed.split_at(text_start);
        let text_end = match rest.starts_with(DASHES) {
            true => 0,
            false => 1 + rest.find("\n-----").ok_or("no signature follows its text")?,
        };
        let (text, signatures) = rest.split_at(text_end);
        let (message, _) = CleartextSignedMessage::from_string(&[head, signatures].concat())
            .map_err(|error| error.to_string())?;
        if !message.text().is_empty() {
            return Err("its head does not end where its text begins".to_owned());
        }
        Ok(ClearSigned {
            text: without_escapes(text),
            signatures: message.signatures().to_vec(),
        })
    }
}

/// How long the head is, with the empty line that ends it.
fn head_bytes(signed: &str) -> Option<usize> {
    let mut bytes = 0;
    for line in signed.split_inclusive('\n') {
        bytes += line.len();
        if bytes > HEAD_BYTES_MAX {
            return None;
        }
        if line == "\n" || line == "\r\n" {
            return Some(bytes);
        }
    }
    None
}

/// The last line ending belongs to the signature behind it.
fn without_escapes(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let lines = text.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.strip_prefix("- ")
            .unwrap_or(line)
            .trim_end_matches([' ', '\t'])
    });
    lines.collect::<Vec<_>>().join("\n")
}

const DASHES: &str = "-----";

/// Most bytes of the head: a line that says what it is, and one for each digest algorithm.
const HEAD_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use testkit::{Signer, sign_clear};

    use super::*;

    #[test]
    fn the_text_is_the_one_that_the_signature_is_computed_over() {
        for text in [
            "",
            "a",
            "a\n",
            "a\n\n",
            "- a\n-b\n--\n",
            "a \t\n b\n",
            "a\rb\n",
            "a\r\r\nb\r\n",
            "\n\na",
        ] {
            let signed = sign_clear(text, Signer::Archive, 1_767_225_600);
            for signed in [signed.clone(), signed.replace('\n', "\r\n")] {
                let (message, _) = CleartextSignedMessage::from_string(&signed).unwrap();
                let ours = ClearSigned::parse(&signed).unwrap();
                assert_eq!(ours.text.replace('\n', "\r\n"), message.signed_text(), "{text:?}");
                assert_eq!(ours.signatures.len(), 1);
            }
        }
    }

    #[test]
    fn a_head_that_is_no_head_is_refused() {
        let signed = sign_clear("Origin: Test\n", Signer::Archive, 1_767_225_600);
        let long = signed.replacen(
            '\n',
            &format!("\nHash: {}\n", "SHA256,".repeat(HEAD_BYTES_MAX)),
            1,
        );
        let other = signed.replacen('\n', "\nOrigin: Evil\n", 1);
        for damaged in [long, other, signed.replace("\n\n", "\n")] {
            assert!(ClearSigned::parse(&damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_text_of_many_lines_takes_no_longer_than_it_should() {
        let lines = "a\n".repeat(1 << 20);
        let signed = format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{lines}");
        let started = Instant::now();
        assert!(ClearSigned::parse(&signed).is_err());
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
