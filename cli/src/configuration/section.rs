//! A section of the configuration: its keys, and what is said of them, in one place.

/// A key as the commented example shows it.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Lines of explanation.
    pub(crate) about: &'static [&'static str],
    /// In TOML: the default, or an example where there is none.
    pub(crate) shown: &'static str,
}

/// What a section, or an entry of a list, is made of.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) about: &'static [&'static str],
    pub(crate) keys: &'static [Key],
    /// Lists of tables within it, by name.
    pub(crate) lists: &'static [(&'static str, &'static Description)],
}

/// A struct that is read from a table, and its [`Description`] made of the same lines.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident {
            $($(#[doc = $doc:literal])* $key:ident: $type:ty = $shown:literal,)*
        }
        $(lists { $($list:ident: $entry:ty as $table:ty,)* })?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[doc = $doc])* pub(crate) $key: $type,)*
            $($(#[serde(default)] pub(crate) $list: Vec<$entry>,)*)?
        }

        impl $name {
            pub(crate) const DESCRIPTION: &'static $crate::configuration::section::Description =
                &$crate::configuration::section::Description {
                    about: &[$($about),*],
                    keys: &[$($crate::configuration::section::Key {
                        name: stringify!($key),
                        about: &[$($doc),*],
                        shown: $shown,
                    }),*],
                    lists: &[$($((stringify!($list), <$table>::DESCRIPTION)),*)?],
                };
        }
    };
}

pub(super) use section;
