//! One table per refusal type: variant, status, reason word and public sentence stand on one line, so
//! that none can be forgotten. Never holds a variant with data: a refusal does not quote its request.

/// Declares a refusal enum from its table, with `ALL`, `reason`, `status` and `Display`.
macro_rules! refusals {
    (
        $(#[$about:meta])*
        $name:ident { $($variant:ident = $status:ident $reason:literal $sentence:literal,)+ }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $reason, "`: ", $sentence, ".")] $variant,)+
        }

        impl $name {
            /// Every variant, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word of log, metric and body. Stable, lower case, the same for everyone.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$variant => $reason,)+
                }
            }

            /// The status of the answer.
            #[must_use]
            pub const fn status(self) -> http::StatusCode {
                match self {
                    $(Self::$variant => http::StatusCode::$status,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $sentence,)+
                })
            }
        }

        impl std::error::Error for $name {}
    };
}

pub(crate) use refusals;
