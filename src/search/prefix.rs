//! The comparison prefixes of ordered search values: `ge2010`, `ap5.4`.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#prefix>. What each means is in `param::date` and
//! `param::number`.

/// How a stored value has to stand to the searched one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// Lies within it; also without a prefix.
    Eq,
    /// Does not lie within it.
    Ne,
    /// Reaches above it.
    Gt,
    /// Reaches below it.
    Lt,
    /// Reaches above it or lies within it.
    Ge,
    /// Reaches below it or lies within it.
    Le,
    /// Starts behind it.
    Sa,
    /// Ends before it.
    Eb,
    /// Overlaps it, widened by a tenth.
    Ap,
}

impl Prefix {
    /// Every prefix.
    pub const ALL: [Self; 9] = [
        Self::Eq,
        Self::Ne,
        Self::Gt,
        Self::Lt,
        Self::Ge,
        Self::Le,
        Self::Sa,
        Self::Eb,
        Self::Ap,
    ];

    /// The two letters.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Lt => "lt",
            Self::Ge => "ge",
            Self::Le => "le",
            Self::Sa => "sa",
            Self::Eb => "eb",
            Self::Ap => "ap",
        }
    }

    /// Splits a value into its prefix and the rest. What begins otherwise has [`Prefix::Eq`].
    pub fn split(text: &str) -> (Self, &str) {
        Self::ALL
            .into_iter()
            .find_map(|prefix| Some((prefix, text.strip_prefix(prefix.code())?)))
            .unwrap_or((Self::Eq, text))
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn a_prefix_is_two_letters_in_front() {
        assert_eq!(Prefix::split("ge2010"), (Prefix::Ge, "2010"));
        assert_eq!(Prefix::split("2010"), (Prefix::Eq, "2010"));
        assert_eq!(Prefix::split("xx5"), (Prefix::Eq, "xx5"));
        for prefix in Prefix::ALL {
            assert_eq!(Prefix::split(prefix.code()), (prefix, ""));
        }
    }
}
