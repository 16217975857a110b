//! Functions on text. Places and lengths count characters.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#string-manipulation>.

use crate::fhirpath::ast::Expr;
use crate::fhirpath::evaluate::item::{Item, Scalar, System};
use crate::fhirpath::evaluate::work::Work;
use crate::fhirpath::evaluate::{Answer, EvaluateError, Evaluator, Frame, single};
use crate::fhirpath::function::Function;
use crate::fhirpath::pattern::Pattern;

/// How many steps it costs to compile a pattern.
const PATTERN_STEPS: usize = 500;

/// Calls a function on text; `None` when it is no such function.
pub(super) fn call<'a>(
    input: &[Item<'a>],
    function: Function,
    arguments: &[Vec<Item<'a>>],
    work: &Work<'_>,
) -> Option<Answer<'a>> {
    match function {
        Function::Join => return Some(join(input, arguments, work)),
        Function::IndexOf
        | Function::Substring
        | Function::StartsWith
        | Function::EndsWith
        | Function::Contains
        | Function::Upper
        | Function::Lower
        | Function::Replace
        | Function::Length
        | Function::ToChars
        | Function::Trim
        | Function::Split => {}
        _ => return None,
    }
    let answer = text_of(input, work).and_then(|text| match text {
        Some(text) => {
            work.charge_text(text.len())?;
            on_text(text, function, arguments, work)
        }
        None => Ok(Vec::new()),
    });
    Some(answer)
}

impl<'a> Evaluator<'_, 'a> {
    /// `matches()` and `replaceMatches()`, whose pattern is usually compiled with the expression.
    pub(super) fn matching(
        &self,
        input: &[Item<'a>],
        function: Function,
        arguments: &[Expr],
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let Some(text) = text_of(input, &self.work)? else {
            return Ok(Vec::new());
        };
        self.work.charge_text(text.len())?;
        let compiled;
        let pattern = match arguments.first() {
            Some(Expr::Pattern(pattern)) => pattern,
            Some(expr) => {
                let given = self.eval(expr, frame)?;
                let Some(given) = text_of(&given, &self.work)? else {
                    return Ok(Vec::new());
                };
                self.work.charge(PATTERN_STEPS)?;
                let pattern = Pattern::compile(given);
                compiled = pattern.ok_or(EvaluateError::WrongType("a regular expression"))?;
                &compiled
            }
            None => return Ok(Vec::new()),
        };
        if function == Function::Matches {
            return Ok(vec![Item::boolean(pattern.is_match(text))]);
        }
        let by = match arguments.get(1) {
            Some(expr) => self.eval(expr, frame)?,
            None => Vec::new(),
        };
        let Some(by) = text_of(&by, &self.work)? else {
            return Ok(Vec::new());
        };
        // Every character can be a match.
        self.work
            .charge_text(text.len().saturating_mul(1 + by.len()))?;
        Ok(vec![Item::string(pattern.replace_all(text, by))])
    }
}

fn on_text<'a>(
    text: &str,
    function: Function,
    arguments: &[Vec<Item<'a>>],
    work: &Work<'_>,
) -> Answer<'a> {
    match function {
        Function::Upper => return Ok(vec![Item::string(text.to_uppercase())]),
        Function::Lower => return Ok(vec![Item::string(text.to_lowercase())]),
        Function::Length => return Ok(vec![Item::count(text.chars().count())]),
        Function::Trim => return Ok(vec![Item::string(text.trim())]),
        Function::ToChars => {
            work.charge(text.len())?;
            let chars = text.chars().map(|c| Item::string(String::from(c)));
            return Ok(chars.collect());
        }
        Function::Substring => return substring(text, arguments, work),
        _ => {}
    }
    let argument = |place: usize| arguments.get(place).map_or(&[][..], Vec::as_slice);
    let Some(other) = text_of(argument(0), work)? else {
        return Ok(Vec::new());
    };
    let item = match function {
        Function::StartsWith => Item::boolean(text.starts_with(other)),
        Function::EndsWith => Item::boolean(text.ends_with(other)),
        Function::Contains => Item::boolean(text.contains(other)),
        Function::IndexOf => match text.split_once(other) {
            Some((before, _)) => Item::count(before.chars().count()),
            None => Item::System(System::Integer(-1)),
        },
        Function::Replace => {
            let Some(by) = text_of(argument(1), work)? else {
                return Ok(Vec::new());
            };
            work.charge_text(text.len().saturating_mul(1 + by.len()))?;
            Item::string(text.replace(other, by))
        }
        _ => {
            work.charge(text.len())?;
            return Ok(text.split(other).map(Item::string).collect());
        }
    };
    Ok(vec![item])
}

/// Empty when it starts outside of the text.
fn substring<'a>(text: &str, arguments: &[Vec<Item<'a>>], work: &Work<'_>) -> Answer<'a> {
    let mut numbers = arguments.iter().map(|items| -> Result<_, EvaluateError> {
        match single(items)?.and_then(|item| item.scalar(work.shapes)) {
            Some(Scalar::Integer(number)) => Ok(Some(number)),
            None => Ok(None),
            Some(_) => Err(EvaluateError::WrongType("an integer")),
        }
    });
    let start = numbers.next().transpose()?.flatten();
    let length = numbers.next().transpose()?.flatten();
    let Some(Ok(start)) = start.map(usize::try_from) else {
        return Ok(Vec::new());
    };
    if start >= text.chars().count() {
        return Ok(Vec::new());
    }
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    let part: String = text.chars().skip(start).take(length).collect();
    Ok(vec![Item::string(part)])
}

fn join<'a>(input: &[Item<'a>], arguments: &[Vec<Item<'a>>], work: &Work<'_>) -> Answer<'a> {
    let separator = arguments.first().map_or(&[][..], Vec::as_slice);
    let separator = text_of(separator, work)?.unwrap_or("");
    let mut joined = String::new();
    for (place, item) in input.iter().enumerate() {
        let text = item.text(work.shapes);
        let text = text.ok_or(EvaluateError::WrongType("texts"))?;
        work.charge_text(separator.len() + text.len())?;
        if place > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
    }
    Ok(vec![Item::string(joined)])
}

/// The text of a collection with at most one item.
fn text_of<'i>(items: &'i [Item<'_>], work: &Work<'_>) -> Result<Option<&'i str>, EvaluateError> {
    let Some(item) = single(items)? else {
        return Ok(None);
    };
    match item {
        // An element that has extensions only.
        Item::Element(element) if element.as_node().is_none() => Ok(None),
        item => match item.text(work.shapes) {
            Some(text) => Ok(Some(text)),
            None => Err(EvaluateError::WrongType("a text")),
        },
    }
}
