//! What a place that may be rewritten is for.

/// What a place is to those who read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// A reference, or the beginning of references.
    #[default]
    Reference,
    /// The beginning of references, where nothing but a host can stand.
    BareHost,
    /// A host that a client logs in to; no reference is put together from it.
    Login,
    /// Hosts, with commas between them, that Google's client logs in to: it knows hosts of Google only.
    GoogleLogins,
    /// Google's client, which is told no hosts: they go behind what stands there.
    NoGoogleLogins,
    /// Something that must not be rewritten, and why.
    Fixed(&'static str),
}

/// How a place is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// What it is.
    pub sort: Sort,
    /// What may go on behind it though it does not stand there: nothing, a `/`, or the rest of its last part after a `-`.
    pub goes_on: &'static str,
}

impl Place {
    /// One that is not rewritten.
    #[must_use]
    pub fn fixed(reason: &'static str) -> Place {
        Place {
            sort: Sort::Fixed(reason),
            ..Place::default()
        }
    }

    /// One of a sort, about which nothing else is known.
    #[must_use]
    pub fn of(sort: Sort) -> Place {
        Place {
            sort,
            ..Place::default()
        }
    }
}
