//! What a parsed FHIRPath expression is made of.
//!
//! Function names and literal values are resolved while parsing, so that a bad expression is
//! refused before it meets data. Spec: <http://hl7.org/fhirpath/N1/#grammar>.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::fhirpath::function::Function;
use crate::fhirpath::pattern::Pattern;
use crate::fhirpath::temporal::Temporal;

/// An expression. Its height and size are bounded by the parser, so walking it may recurse.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `{}`
    Empty,
    /// `'text'`, `1.5`, `@2026-11`, `4 days`
    Literal(Literal),
    /// A literal regular expression, compiled.
    Pattern(Pattern),
    /// `$this`, which a path that begins with a name stands on as well.
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%name`
    Constant(CompactString),
    /// `on.name`; where a path begins, `on` is [`Expr::This`].
    Member {
        /// What the members are taken of.
        on: Box<Expr>,
        /// The element's name, or at the beginning of a path a type's name.
        name: CompactString,
    },
    /// `on.function(arguments)`
    Call {
        /// What the function works on.
        on: Box<Expr>,
        /// Which function.
        function: Function,
        /// Its arguments, as many as the function takes.
        arguments: Vec<Expr>,
    },
    /// `on[index]`
    At {
        /// The collection.
        on: Box<Expr>,
        /// The place, counted from 0.
        index: Box<Expr>,
    },
    /// `on is X`, `on as X`, `on.ofType(X)`
    Typed {
        /// What is looked at.
        on: Box<Expr>,
        /// What to do with the type.
        test: TypeTest,
        /// The type.
        name: TypeName,
    },
    /// `-expression`
    Negated(Box<Expr>),
    /// `left operator right`
    Binary {
        /// The operator.
        operator: Operator,
        /// The left operand.
        left: Box<Expr>,
        /// The right operand.
        right: Box<Expr>,
    },
}

/// A value written in an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `true`
    Boolean(bool),
    /// `'text'`
    String(CompactString),
    /// `1`
    Integer(i64),
    /// `1.0`
    Decimal(Decimal),
    /// `@2026-11-22`, `@2026-11-22T10:00`, `@T10:00`
    Temporal(Temporal),
    /// `4.5 'mg'`, `2 days`
    Quantity {
        /// The number.
        value: Decimal,
        /// A UCUM code, or the name of a calendar duration in the singular.
        unit: CompactString,
        /// Whether `unit` is a calendar duration such as `day`, not a UCUM code.
        is_calendar: bool,
    },
}

/// What is asked of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeTest {
    /// True or false for a single item.
    Is,
    /// The items of the type.
    As,
}

/// A type's name as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    /// `System` or `FHIR`, when it is said.
    pub namespace: Option<CompactString>,
    /// `Patient`, `string`, `Quantity`.
    pub name: CompactString,
}

/// The operators with two operands that are not about types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `div`
    Div,
    /// `mod`
    Mod,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `&`
    Concatenate,
    /// `|`
    Union,
    /// `<=`
    LessOrEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=`
    Equal,
    /// `~`
    Equivalent,
    /// `!=`
    NotEqual,
    /// `!~`
    NotEquivalent,
    /// `in`
    In,
    /// `contains`
    Contains,
    /// `and`
    And,
    /// `or`
    Or,
    /// `xor`
    Xor,
    /// `implies`
    Implies,
}
