//! Which code a function is, and those functions that only FHIR has.

use crate::fhirpath::ast::Expr;
use crate::fhirpath::evaluate::item::{Element, Item, System};
use crate::fhirpath::evaluate::{
    Answer, EvaluateError, Evaluator, Frame, collection, convert, html, navigate, number, single,
    text,
};
use crate::fhirpath::function::Function;
use crate::fhirpath::temporal::Temporal;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn call(
        &self,
        on: &Expr,
        function: Function,
        arguments: &[Expr],
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let input = self.eval(on, frame)?;
        self.work.charge(input.len())?;
        match function {
            Function::Where
            | Function::Select
            | Function::All
            | Function::Exists
            | Function::Repeat
            | Function::Aggregate
            | Function::Iif => self.lambda(input, function, arguments, frame),
            // What it would write shows patient data.
            Function::Trace => Ok(input),
            Function::Matches | Function::ReplaceMatches => {
                self.matching(&input, function, arguments, frame)
            }
            _ => {
                let arguments: Result<Vec<_>, _> = arguments
                    .iter()
                    .map(|argument| self.eval(argument, frame))
                    .collect();
                self.apply(input, function, &arguments?)
            }
        }
    }

    /// Functions whose arguments are values.
    fn apply(
        &self,
        input: Vec<Item<'a>>,
        function: Function,
        arguments: &[Vec<Item<'a>>],
    ) -> Answer<'a> {
        let work = &self.work;
        if let Some(answer) = self.fhir(&input, function, arguments) {
            return answer;
        }
        if let Some(answer) = text::call(&input, function, arguments, work) {
            return answer;
        }
        if let Some(answer) = number::call(&input, function, arguments, work) {
            return answer;
        }
        if let Some(answer) = convert::call(&input, function, arguments, work) {
            return answer;
        }
        collection::call(input, function, arguments, work)
    }

    fn fhir(
        &self,
        input: &[Item<'a>],
        function: Function,
        arguments: &[Vec<Item<'a>>],
    ) -> Option<Answer<'a>> {
        let shapes = self.work.shapes;
        Some(match function {
            Function::Children => self.below(input),
            Function::Descendants => self.descendants(input),
            Function::Extension => self.extension(input, arguments),
            Function::HasValue => single(input)
                .map(|item| vec![Item::boolean(item.is_some_and(|item| has_value(item)))]),
            Function::GetValue => single(input).map(|item| {
                let value = item.and_then(|item| item.scalar(shapes));
                value
                    .map(|v| Item::System(v.to_system()))
                    .into_iter()
                    .collect()
            }),
            Function::Resolve => Ok(input
                .iter()
                .filter_map(|item| self.resolved(item).map(Item::Element))
                .collect()),
            Function::Type => Ok(input.iter().map(|item| self.type_info(item)).collect()),
            Function::HtmlChecks => single(input).map(|item| {
                let text = item.and_then(|item| item.text(shapes));
                text.map(|text| Item::boolean(html::is_acceptable(text)))
                    .into_iter()
                    .collect()
            }),
            Function::Now => self.now(Some),
            Function::Today => self.now(|now| now.date()),
            Function::TimeOfDay => self.now(|now| now.time()),
            _ => return None,
        })
    }

    fn below(&self, input: &[Item<'a>]) -> Answer<'a> {
        let mut found = Vec::new();
        for item in input {
            navigate::children(item, self.work.shapes, &mut found);
        }
        self.work.charge(found.len())?;
        Ok(found)
    }

    fn descendants(&self, input: &[Item<'a>]) -> Answer<'a> {
        let mut found = self.below(input)?;
        let mut next = 0;
        while let Some(item) = found.get(next).cloned() {
            let before = found.len();
            navigate::children(&item, self.work.shapes, &mut found);
            self.work.charge(1 + found.len() - before)?;
            next += 1;
        }
        Ok(found)
    }

    fn extension(&self, input: &[Item<'a>], arguments: &[Vec<Item<'a>>]) -> Answer<'a> {
        let shapes = self.work.shapes;
        let wanted = arguments.first().map_or(&[][..], Vec::as_slice);
        let Some(wanted) = single(wanted)?.and_then(|item| item.text(shapes)) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for item in input {
            navigate::member(item, "extension", shapes, &mut found);
        }
        self.work.charge(found.len())?;
        found.retain(|item| match item {
            Item::Element(element) => {
                let url = element.as_object().and_then(|object| object.get_str("url"));
                url == Some(wanted)
            }
            Item::System(_) => false,
        });
        Ok(found)
    }

    /// What a Reference, or the text of a uri, points to.
    pub(super) fn resolved(&self, item: &Item<'a>) -> Option<Element<'a>> {
        let text = match item {
            Item::Element(element) => match element.as_object() {
                Some(reference) => reference.get_str("reference")?,
                None => item.text(self.work.shapes)?,
            },
            Item::System(_) => item.text(self.work.shapes)?,
        };
        let Some(id) = text.strip_prefix('#') else {
            return self.environment.resolve.and_then(|resolve| resolve(text));
        };
        let root = self.environment.root_resource;
        if id.is_empty() {
            return Some(root);
        }
        let contained = root.as_object()?.items("contained");
        let target = contained
            .iter()
            .filter_map(|node| node.as_object())
            .find(|resource| resource.get_str("id") == Some(id))?;
        let type_id = self.work.shapes.type_id(target.get_str("resourceType")?)?;
        Some(Element::object(target, type_id))
    }

    fn now(&self, part: impl Fn(Temporal) -> Option<Temporal>) -> Answer<'a> {
        let now = self.environment.now.and_then(part);
        let now = now.ok_or(EvaluateError::NoTime)?;
        Ok(vec![Item::System(System::Temporal(now))])
    }
}

fn has_value(item: &Item<'_>) -> bool {
    match item {
        Item::Element(element) => element
            .as_node()
            .is_some_and(|node| node.as_object().is_none()),
        Item::System(_) => true,
    }
}
