//! Tokens into a tree: a Pratt parser for the whole grammar.
//!
//! Length and height of an expression are bounded here, so that whoever walks the tree may
//! recurse. Spec: <http://hl7.org/fhirpath/N1/#grammar>.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::fhirpath::ast::{Expr, Literal, Operator, TypeName, TypeTest};
use crate::fhirpath::function::Function;
use crate::fhirpath::lexer::{Spanned, SyntaxError, Token, tokens};
use crate::fhirpath::pattern::Pattern;
use crate::fhirpath::temporal::Temporal;

/// The longest expression that is read; the longest of R4's own has about 3,000.
pub const LENGTH_MAX_BYTES: usize = 32 * 1024;
/// The greatest height of a tree: what is nested and what is chained both count.
pub const HEIGHT_MAX: usize = 200;

/// Parses an expression.
pub fn parse(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > LENGTH_MAX_BYTES {
        return Err(SyntaxError::new(
            LENGTH_MAX_BYTES,
            format!("an expression has at most {LENGTH_MAX_BYTES} bytes"),
        ));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        end: text.len(),
    };
    let tree = parser.expression(0, 0)?;
    match parser.peek() {
        None => Ok(tree.expr),
        Some(_) => Err(parser.error("the expression should end here")),
    }
}

/// A part of the tree with its height.
struct Tree {
    expr: Expr,
    height: usize,
}

struct Parser {
    tokens: Vec<Spanned>,
    next: usize,
    end: usize,
}

/// How tightly `is` and `as` bind: between `+` and `|`.
const TYPE_BINDING: u8 = 9;
/// How tightly signs bind.
const SIGN_BINDING: u8 = 12;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|spanned| &spanned.token)
    }

    fn error(&self, reason: impl Into<String>) -> SyntaxError {
        let at = self.tokens.get(self.next).map_or(self.end, |s| s.at);
        SyntaxError::new(at, reason)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(next)) if *next == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let is_next = self.is_sign(sign);
        self.next += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<(), SyntaxError> {
        if self.eat(sign) {
            Ok(())
        } else {
            Err(self.error(format!("expected '{sign}'")))
        }
    }

    fn tree(&self, expr: Expr, height_below: usize) -> Result<Tree, SyntaxError> {
        let height = height_below + 1;
        if height > HEIGHT_MAX {
            return Err(self.error("the expression is nested or chained too deeply"));
        }
        Ok(Tree { expr, height })
    }

    /// An expression whose operators all bind at least as tightly as `least`.
    fn expression(&mut self, least: u8, depth: usize) -> Result<Tree, SyntaxError> {
        if depth > HEIGHT_MAX / 2 {
            return Err(self.error("the expression is nested too deeply"));
        }
        let mut left = self.prefix(depth + 1)?;
        while let Some(infix) = self.infix() {
            let binding = infix.binding();
            if binding < least {
                break;
            }
            self.next += 1;
            let (expr, below) = match infix {
                Infix::Type(test) => {
                    let name = self.type_name()?;
                    let on = Box::new(left.expr);
                    (Expr::Typed { on, test, name }, left.height)
                }
                Infix::Operator(operator) => {
                    let right = self.expression(binding + 1, depth + 1)?;
                    let below = left.height.max(right.height);
                    let expr = Expr::Binary {
                        operator,
                        left: Box::new(left.expr),
                        right: Box::new(right.expr),
                    };
                    (expr, below)
                }
            };
            left = self.tree(expr, below)?;
        }
        Ok(left)
    }

    fn infix(&self) -> Option<Infix> {
        let text = match self.peek()? {
            Token::Sign(sign) => sign,
            Token::Name(name) => name.as_str(),
            _ => return None,
        };
        Infix::find(text)
    }

    /// A term with its signs in front and its path behind.
    fn prefix(&mut self, depth: usize) -> Result<Tree, SyntaxError> {
        if self.eat("+") {
            return self.expression(SIGN_BINDING, depth);
        }
        if self.eat("-") {
            let inner = self.expression(SIGN_BINDING, depth)?;
            return self.tree(Expr::Negated(Box::new(inner.expr)), inner.height);
        }
        let mut on = self.term(depth)?;
        loop {
            if self.eat(".") {
                on = self.invocation(on, depth)?;
            } else if self.eat("[") {
                let index = self.expression(0, depth)?;
                self.expect("]")?;
                let below = on.height.max(index.height);
                let expr = Expr::At {
                    on: Box::new(on.expr),
                    index: Box::new(index.expr),
                };
                on = self.tree(expr, below)?;
            } else {
                return Ok(on);
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Tree, SyntaxError> {
        if self.eat("(") {
            let inner = self.expression(0, depth)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.eat("{") {
            self.expect("}")?;
            return self.tree(Expr::Empty, 0);
        }
        if self.eat("%") {
            return self.constant();
        }
        let Some(token) = self.peek().cloned() else {
            return Err(self.error("the expression ends too early"));
        };
        let expr = match token {
            Token::Name(ref word) if word == "true" || word == "false" => {
                Expr::Literal(Literal::Boolean(word == "true"))
            }
            Token::Name(_) | Token::Quoted(_) | Token::Variable(_) => {
                let this = self.tree(Expr::This, 0)?;
                return self.invocation(this, depth);
            }
            Token::String(text) => Expr::Literal(Literal::String(text)),
            Token::Number(digits) => {
                self.next += 1;
                let literal = self.number(&digits)?;
                return self.tree(Expr::Literal(literal), 0);
            }
            Token::Temporal(text) => match Temporal::parse_literal(&text) {
                Some(temporal) => Expr::Literal(Literal::Temporal(temporal)),
                None => return Err(self.error("this is no date or time")),
            },
            Token::Sign(_) => return Err(self.error("expected a value or a path")),
        };
        self.next += 1;
        self.tree(expr, 0)
    }

    fn constant(&mut self) -> Result<Tree, SyntaxError> {
        let name = match self.peek() {
            Some(Token::Name(name) | Token::Quoted(name) | Token::String(name)) => name.clone(),
            _ => return Err(self.error("expected the name of a constant")),
        };
        self.next += 1;
        self.tree(Expr::Constant(name), 0)
    }

    /// A number, or a quantity when a unit follows.
    fn number(&mut self, digits: &str) -> Result<Literal, SyntaxError> {
        let (unit, is_calendar) = match self.peek() {
            Some(Token::String(unit)) => (unit.clone(), false),
            Some(Token::Name(word)) => match calendar_unit(word) {
                Some(unit) => (unit.into(), true),
                None => return self.plain_number(digits),
            },
            _ => return self.plain_number(digits),
        };
        let value = self.decimal(digits)?;
        self.next += 1;
        Ok(Literal::Quantity {
            value,
            unit,
            is_calendar,
        })
    }

    fn plain_number(&self, digits: &str) -> Result<Literal, SyntaxError> {
        if let Ok(integer) = digits.parse() {
            return Ok(Literal::Integer(integer));
        }
        self.decimal(digits).map(Literal::Decimal)
    }

    fn decimal(&self, digits: &str) -> Result<Decimal, SyntaxError> {
        Decimal::from_str_exact(digits)
            .map_err(|_too_long| self.error("a number has at most 28 digits"))
    }

    /// What may follow a point: a name, a call, a variable.
    fn invocation(&mut self, on: Tree, depth: usize) -> Result<Tree, SyntaxError> {
        let (name, is_word) = match self.peek() {
            Some(Token::Name(name)) => (name.clone(), true),
            Some(Token::Quoted(name)) => (name.clone(), false),
            Some(Token::Variable(name)) => {
                let expr = match name.as_str() {
                    "this" => Expr::This,
                    "index" => Expr::Index,
                    "total" => Expr::Total,
                    _ => return Err(self.error("the variables are $this, $index and $total")),
                };
                self.next += 1;
                return self.tree(expr, 0);
            }
            _ => return Err(self.error("expected a name")),
        };
        if is_word && is_reserved(&name) {
            return Err(self.error(format!("'{name}' as a name needs backticks")));
        }
        self.next += 1;
        if self.eat("(") {
            return self.call(on, &name, depth);
        }
        let expr = Expr::Member {
            on: Box::new(on.expr),
            name,
        };
        self.tree(expr, on.height)
    }

    fn call(&mut self, on: Tree, name: &str, depth: usize) -> Result<Tree, SyntaxError> {
        let test = match name {
            "is" => Some(TypeTest::Is),
            "as" | "ofType" => Some(TypeTest::As),
            _ => None,
        };
        if let Some(test) = test {
            let name = self.type_name()?;
            self.expect(")")?;
            let below = on.height;
            let on = Box::new(on.expr);
            return self.tree(Expr::Typed { on, test, name }, below);
        }
        let Some(function) = Function::find(name) else {
            return Err(self.error(format!("there is no function '{name}'")));
        };
        let mut arguments = Vec::new();
        let mut below = on.height;
        if !self.eat(")") {
            loop {
                let argument = self.expression(0, depth)?;
                below = below.max(argument.height);
                arguments.push(argument.expr);
                if !self.eat(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let (least, most) = function.arity();
        if arguments.len() < least || arguments.len() > most {
            return Err(self.error(format!("'{name}' has another number of arguments")));
        }
        if matches!(function, Function::Matches | Function::ReplaceMatches)
            && let Some(first) = arguments.first_mut()
        {
            self.compile_pattern(first)?;
        }
        let expr = Expr::Call {
            on: Box::new(on.expr),
            function,
            arguments,
        };
        self.tree(expr, below)
    }

    /// Compiles a pattern that is written in the expression once and for all.
    fn compile_pattern(&self, argument: &mut Expr) -> Result<(), SyntaxError> {
        if let Expr::Literal(Literal::String(text)) = argument {
            *argument = Pattern::compile(text)
                .map(Expr::Pattern)
                .ok_or_else(|| self.error("this is no regular expression"))?;
        }
        Ok(())
    }

    fn type_name(&mut self) -> Result<TypeName, SyntaxError> {
        let first = self.name()?;
        if !self.eat(".") {
            return Ok(TypeName {
                namespace: None,
                name: first,
            });
        }
        Ok(TypeName {
            namespace: Some(first),
            name: self.name()?,
        })
    }

    fn name(&mut self) -> Result<CompactString, SyntaxError> {
        let name = match self.peek() {
            Some(Token::Name(name) | Token::Quoted(name)) => name.clone(),
            _ => return Err(self.error("expected the name of a type")),
        };
        self.next += 1;
        Ok(name)
    }
}

enum Infix {
    Operator(Operator),
    Type(TypeTest),
}

impl Infix {
    fn find(text: &str) -> Option<Self> {
        Some(Self::Operator(match text {
            "*" => Operator::Multiply,
            "/" => Operator::Divide,
            "div" => Operator::Div,
            "mod" => Operator::Mod,
            "+" => Operator::Add,
            "-" => Operator::Subtract,
            "&" => Operator::Concatenate,
            "|" => Operator::Union,
            "<=" => Operator::LessOrEqual,
            "<" => Operator::Less,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "=" => Operator::Equal,
            "~" => Operator::Equivalent,
            "!=" => Operator::NotEqual,
            "!~" => Operator::NotEquivalent,
            "in" => Operator::In,
            "contains" => Operator::Contains,
            "and" => Operator::And,
            "or" => Operator::Or,
            "xor" => Operator::Xor,
            "implies" => Operator::Implies,
            "is" => return Some(Self::Type(TypeTest::Is)),
            "as" => return Some(Self::Type(TypeTest::As)),
            _ => return None,
        }))
    }

    fn binding(&self) -> u8 {
        match self {
            Self::Type(_) => TYPE_BINDING,
            Self::Operator(operator) => match operator {
                Operator::Multiply | Operator::Divide | Operator::Div | Operator::Mod => 11,
                Operator::Add | Operator::Subtract | Operator::Concatenate => 10,
                Operator::Union => 8,
                Operator::LessOrEqual
                | Operator::Less
                | Operator::Greater
                | Operator::GreaterOrEqual => 7,
                Operator::Equal
                | Operator::Equivalent
                | Operator::NotEqual
                | Operator::NotEquivalent => 6,
                Operator::In | Operator::Contains => 5,
                Operator::And => 4,
                Operator::Or | Operator::Xor => 3,
                Operator::Implies => 2,
            },
        }
    }
}

fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "and" | "or" | "xor" | "implies" | "div" | "mod" | "true" | "false"
    )
}

/// The singular of a calendar duration.
pub(super) fn calendar_unit(word: &str) -> Option<&'static str> {
    Some(match word {
        "year" | "years" => "year",
        "month" | "months" => "month",
        "week" | "weeks" => "week",
        "day" | "days" => "day",
        "hour" | "hours" => "hour",
        "minute" | "minutes" => "minute",
        "second" | "seconds" => "second",
        "millisecond" | "milliseconds" => "millisecond",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{HEIGHT_MAX, parse};
    use crate::fhirpath::ast::{Expr, Literal, Operator, TypeTest};

    fn binary(text: &str) -> (Operator, Expr, Expr) {
        match parse(text).unwrap() {
            Expr::Binary {
                operator,
                left,
                right,
            } => (operator, *left, *right),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn operators_bind_as_the_grammar_says() {
        assert_eq!(binary("a or b and c").0, Operator::Or);
        assert_eq!(binary("a | b = c").0, Operator::Equal);
        assert_eq!(binary("a and b implies c").0, Operator::Implies);
        assert_eq!(binary("1 + 2 * 3").0, Operator::Add);
        assert_eq!(binary("a in b and c").0, Operator::And);
        let (operator, left, _) = binary("1 - 2 - 3");
        assert_eq!(operator, Operator::Subtract);
        assert!(matches!(left, Expr::Binary { .. }));
        assert!(matches!(
            binary("a is B | c").1,
            Expr::Typed {
                test: TypeTest::Is,
                ..
            }
        ));
        assert!(matches!(parse("-a.b").unwrap(), Expr::Negated(_)));
    }

    #[test]
    fn literals_have_their_types() {
        let literal = |text| match parse(text).unwrap() {
            Expr::Literal(literal) => literal,
            other => panic!("{other:?}"),
        };
        assert_eq!(literal("true"), Literal::Boolean(true));
        assert_eq!(literal("7"), Literal::Integer(7));
        assert!(matches!(literal("7.0"), Literal::Decimal(_)));
        assert!(matches!(literal("@2026-11T"), Literal::Temporal(_)));
        assert!(matches!(
            literal("4 days"),
            Literal::Quantity {
                is_calendar: true,
                ..
            }
        ));
        assert!(matches!(
            literal("4.5 'mg'"),
            Literal::Quantity {
                is_calendar: false,
                ..
            }
        ));
        assert_eq!(parse("{}").unwrap(), Expr::Empty);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "a.",
            "a b",
            "(a",
            "a)",
            "a[",
            "a[1",
            "{a}",
            "1..2",
            "a.b(",
            "a.nosuch()",
            "a.where()",
            "a.count(1)",
            "$that",
            "%",
            "@2026-13",
            "a.and",
            "a is",
            "= a",
            "a ==",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_can_be_names_where_nothing_else_fits() {
        for text in [
            "as",
            "a.contains",
            "is.in",
            "`div`.`and`",
            "a.as(B) as C",
            "day.year",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn height_is_bounded_however_it_is_made() {
        let many = HEIGHT_MAX * 2;
        for text in [
            "(".repeat(many) + "a" + &")".repeat(many),
            "-".repeat(many) + "1",
            "a".to_owned() + &".a".repeat(many),
            "a".to_owned() + &" | a".repeat(many),
            "a".to_owned() + &"[0]".repeat(many),
            "a.where(".repeat(many) + "a" + &")".repeat(many),
            "a".repeat(100_000),
        ] {
            assert!(parse(&text).is_err());
        }
        let wide = "a".to_owned() + &" | a".repeat(HEIGHT_MAX - 4);
        assert!(parse(&wide).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}") {
            prop_assert!(parse(&text).is_ok() || parse(&text).is_err());
        }

        #[test]
        fn no_tokens_panic(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "is", "as", ".", "(", ")", "[", "]", "'s'", "1", "@2026", "and", "|",
                    "-", "%", "$this", "where(", "{", "}", ",", "=", "day", "`x`", "implies",
                ]),
                0..30,
            )
        ) {
            let text = words.join(" ");
            prop_assert!(parse(&text).is_ok() || parse(&text).is_err());
        }
    }
}
