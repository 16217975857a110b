//! Functions whose arguments are evaluated once for each item.

use crate::fhirpath::ast::Expr;
use crate::fhirpath::evaluate::equality::is_among;
use crate::fhirpath::evaluate::item::Item;
use crate::fhirpath::evaluate::{Answer, EvaluateError, Evaluator, Frame, truth};
use crate::fhirpath::function::Function;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn lambda(
        &self,
        input: Vec<Item<'a>>,
        function: Function,
        arguments: &[Expr],
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        match (function, arguments) {
            (Function::Where, [criteria]) => {
                let mut found = Vec::new();
                for (index, item) in input.into_iter().enumerate() {
                    if self.is_true(criteria, frame.at(&item, index))? {
                        found.push(item);
                    }
                }
                Ok(found)
            }
            (Function::Select, [projection]) => {
                let mut found = Vec::new();
                for (index, item) in input.iter().enumerate() {
                    found.extend(self.eval(projection, frame.at(item, index))?);
                }
                Ok(found)
            }
            (Function::All, [criteria]) => {
                for (index, item) in input.iter().enumerate() {
                    if !self.is_true(criteria, frame.at(item, index))? {
                        return Ok(vec![Item::boolean(false)]);
                    }
                }
                Ok(vec![Item::boolean(true)])
            }
            (Function::Exists, []) => Ok(vec![Item::boolean(!input.is_empty())]),
            (Function::Exists, [criteria]) => {
                for (index, item) in input.iter().enumerate() {
                    if self.is_true(criteria, frame.at(item, index))? {
                        return Ok(vec![Item::boolean(true)]);
                    }
                }
                Ok(vec![Item::boolean(false)])
            }
            (Function::Repeat, [projection]) => self.repeat(input, projection, frame),
            (Function::Aggregate, [step, start @ ..]) => {
                let mut total = match start.first() {
                    Some(start) => self.eval(start, frame)?,
                    None => Vec::new(),
                };
                for (index, item) in input.iter().enumerate() {
                    let at = Frame {
                        total: &total,
                        ..frame.at(item, index)
                    };
                    total = self.eval(step, at)?;
                }
                Ok(total)
            }
            (Function::Iif, [criterion, then, otherwise @ ..]) => {
                let at = Frame {
                    this: &input,
                    ..frame
                };
                if self.is_true(criterion, at)? {
                    return self.eval(then, at);
                }
                let otherwise = otherwise.first();
                otherwise.map_or(Ok(Vec::new()), |expr| self.eval(expr, at))
            }
            _ => Err(EvaluateError::WrongType("another number of arguments")),
        }
    }

    fn is_true(&self, criteria: &Expr, frame: Frame<'_, 'a>) -> Result<bool, EvaluateError> {
        Ok(truth(&self.eval(criteria, frame)?)? == Some(true))
    }

    /// Projects what was projected, as long as something new comes of it.
    fn repeat(&self, input: Vec<Item<'a>>, projection: &Expr, frame: Frame<'_, 'a>) -> Answer<'a> {
        let mut found: Vec<Item<'a>> = Vec::new();
        let mut layer = input;
        while !layer.is_empty() {
            let before = found.len();
            for (index, item) in layer.iter().enumerate() {
                let projected = self.eval(projection, frame.at(item, index))?;
                self.add_new(projected, &mut found)?;
            }
            layer = found.iter().skip(before).cloned().collect();
        }
        Ok(found)
    }

    fn add_new(
        &self,
        items: Vec<Item<'a>>,
        found: &mut Vec<Item<'a>>,
    ) -> Result<(), EvaluateError> {
        for item in items {
            if !is_among(&item, found, &self.work)? {
                found.push(item);
            }
        }
        Ok(())
    }
}
