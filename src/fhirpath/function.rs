//! The functions of FHIRPath and those FHIR adds, by name, with the number of arguments they take.
//!
//! `is`, `as` and `ofType` are not here: their argument is a type, and the parser knows them.
//! Spec: <http://hl7.org/fhirpath/N1/#functions>, <https://hl7.org/fhir/R4/fhirpath.html>.

macro_rules! functions {
    ($($(#[$doc:meta])* $variant:ident $name:literal $least:literal $most:literal,)*) => {
        /// A function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Function {
            $($(#[$doc])* $variant,)*
        }

        impl Function {
            /// The function called `name`.
            pub fn find(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The least and the greatest number of arguments.
            pub const fn arity(self) -> (usize, usize) {
                match self {
                    $(Self::$variant => ($least, $most),)*
                }
            }
        }
    };
}

functions! {
    /// Whether there is no item.
    Empty "empty" 0 0,
    /// Whether there is an item (that meets the criteria).
    Exists "exists" 0 1,
    /// Whether all items meet the criteria.
    All "all" 1 1,
    /// Whether all items are true.
    AllTrue "allTrue" 0 0,
    /// Whether an item is true.
    AnyTrue "anyTrue" 0 0,
    /// Whether all items are false.
    AllFalse "allFalse" 0 0,
    /// Whether an item is false.
    AnyFalse "anyFalse" 0 0,
    /// Whether all items are among those of the argument.
    SubsetOf "subsetOf" 1 1,
    /// Whether all items of the argument are among these.
    SupersetOf "supersetOf" 1 1,
    /// How many items there are.
    Count "count" 0 0,
    /// The items without repetition.
    Distinct "distinct" 0 0,
    /// Whether no item repeats.
    IsDistinct "isDistinct" 0 0,
    /// The items that meet the criteria.
    Where "where" 1 1,
    /// What the projection makes of each item.
    Select "select" 1 1,
    /// The projection over and over until nothing new comes.
    Repeat "repeat" 1 1,
    /// A fold with `$total`.
    Aggregate "aggregate" 1 2,
    /// The only item; an error when there are more.
    Single "single" 0 0,
    /// The first item.
    First "first" 0 0,
    /// The last item.
    Last "last" 0 0,
    /// All but the first item.
    Tail "tail" 0 0,
    /// All but the first so many items.
    Skip "skip" 1 1,
    /// The first so many items.
    Take "take" 1 1,
    /// The items that both have.
    Intersect "intersect" 1 1,
    /// The items that the argument does not have.
    Exclude "exclude" 1 1,
    /// Both without repetition.
    Union "union" 1 1,
    /// Both, repetitions kept.
    Combine "combine" 1 1,
    /// One of two by a condition.
    Iif "iif" 2 3,
    /// As a boolean.
    ToBoolean "toBoolean" 0 0,
    /// Whether it reads as a boolean.
    ConvertsToBoolean "convertsToBoolean" 0 0,
    /// As an integer.
    ToInteger "toInteger" 0 0,
    /// Whether it reads as an integer.
    ConvertsToInteger "convertsToInteger" 0 0,
    /// As a decimal.
    ToDecimal "toDecimal" 0 0,
    /// Whether it reads as a decimal.
    ConvertsToDecimal "convertsToDecimal" 0 0,
    /// As a date.
    ToDate "toDate" 0 0,
    /// Whether it reads as a date.
    ConvertsToDate "convertsToDate" 0 0,
    /// As a date with time.
    ToDateTime "toDateTime" 0 0,
    /// Whether it reads as a date with time.
    ConvertsToDateTime "convertsToDateTime" 0 0,
    /// As a time of day.
    ToTime "toTime" 0 0,
    /// Whether it reads as a time of day.
    ConvertsToTime "convertsToTime" 0 0,
    /// As a quantity.
    ToQuantity "toQuantity" 0 1,
    /// Whether it reads as a quantity.
    ConvertsToQuantity "convertsToQuantity" 0 1,
    /// As text.
    ToString "toString" 0 0,
    /// Whether it has a text.
    ConvertsToString "convertsToString" 0 0,
    /// Where a text first occurs.
    IndexOf "indexOf" 1 1,
    /// A part of a text.
    Substring "substring" 1 2,
    /// Whether a text begins so.
    StartsWith "startsWith" 1 1,
    /// Whether a text ends so.
    EndsWith "endsWith" 1 1,
    /// Whether a text occurs.
    Contains "contains" 1 1,
    /// In capital letters.
    Upper "upper" 0 0,
    /// In small letters.
    Lower "lower" 0 0,
    /// With every occurrence replaced.
    Replace "replace" 2 2,
    /// Whether a regular expression matches.
    Matches "matches" 1 1,
    /// With every match of a regular expression replaced.
    ReplaceMatches "replaceMatches" 2 2,
    /// How many characters.
    Length "length" 0 0,
    /// The single characters.
    ToChars "toChars" 0 0,
    /// Without white space at the ends.
    Trim "trim" 0 0,
    /// The parts between a separator.
    Split "split" 1 1,
    /// The items with a separator between.
    Join "join" 0 1,
    /// Without its sign.
    Abs "abs" 0 0,
    /// The next integer up.
    Ceiling "ceiling" 0 0,
    /// e to the power.
    Exp "exp" 0 0,
    /// The next integer down.
    Floor "floor" 0 0,
    /// The natural logarithm.
    Ln "ln" 0 0,
    /// The logarithm to a base.
    Log "log" 1 1,
    /// To a power.
    Power "power" 1 1,
    /// To so many digits.
    Round "round" 0 1,
    /// The square root.
    Sqrt "sqrt" 0 0,
    /// Without its fraction.
    Truncate "truncate" 0 0,
    /// All elements below, one step.
    Children "children" 0 0,
    /// All elements below.
    Descendants "descendants" 0 0,
    /// The items themselves; tracing shows patient data, so nothing is written.
    Trace "trace" 1 2,
    /// This moment.
    Now "now" 0 0,
    /// The time of day.
    TimeOfDay "timeOfDay" 0 0,
    /// This day.
    Today "today" 0 0,
    /// The contrary.
    Not "not" 0 0,
    /// The type of each item.
    Type "type" 0 0,
    /// The extensions with a URL.
    Extension "extension" 1 1,
    /// Whether it is a single primitive with a value.
    HasValue "hasValue" 0 0,
    /// The value of a single primitive.
    GetValue "getValue" 0 0,
    /// What references point to.
    Resolve "resolve" 0 0,
    /// Whether a narrative keeps to the rules.
    HtmlChecks "htmlChecks" 0 0,
}
