//! Which members of a resource a program looks at, so that nothing else of it has to be read.

use compact_str::CompactString;

use crate::fhirpath::program::condition::Condition;
use crate::fhirpath::program::step::{Base, Path, Step};
use crate::fhirpath::program::{Part, Program};

/// The member that references within a resource lead into.
const CONTAINED: &str = "contained";

/// Which beginnings of paths are the resource itself.
#[derive(Clone, Copy)]
struct Roots {
    is_this: bool,
    is_context: bool,
}

impl Program {
    /// The names of the members that it looks at, sorted; `resourceType` may be one more. `None`
    /// where any may be looked at.
    pub fn members(&self) -> Option<Vec<CompactString>> {
        let mut found = Vec::new();
        for (context, parts) in &self.contexts {
            let is_root = *context == self.root;
            let roots = Roots {
                is_this: is_root,
                is_context: is_root,
            };
            for part in parts {
                match part {
                    Part::Path(path) => of_path(path, roots, &mut found),
                    Part::Truth(condition) => of_condition(condition, roots, &mut found),
                    Part::Other(_) => return None,
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }
}

fn of_path(path: &Path, roots: Roots, found: &mut Vec<CompactString>) {
    let is_root = match path.base {
        Base::This => roots.is_this,
        Base::Context => roots.is_context,
        Base::Root => true,
    };
    of_steps(&path.steps, is_root, roots, found);
}

/// Whether the steps end where they began, at the resource itself.
fn of_steps(
    steps: &[Step],
    mut is_root: bool,
    roots: Roots,
    found: &mut Vec<CompactString>,
) -> bool {
    for step in steps {
        match step {
            Step::Member { name, .. } => {
                found.extend(is_root.then(|| name.clone()));
                is_root = false;
            }
            Step::Choice { forms, .. } => {
                if is_root {
                    found.extend(forms.iter().map(|(name, _)| name.clone()));
                }
                is_root = false;
            }
            Step::Where(condition) => {
                let at = Roots {
                    is_this: is_root,
                    ..roots
                };
                of_condition(condition, at, found);
            }
            Step::Nth { inner, .. } => is_root = of_steps(inner, is_root, roots, found),
            Step::OfResource { .. } => {}
        }
    }
    is_root
}

fn of_condition(condition: &Condition, roots: Roots, found: &mut Vec<CompactString>) {
    match condition {
        Condition::Constant(_) => {}
        Condition::Exists(paths) | Condition::Equal { paths, .. } => {
            for path in paths {
                of_path(path, roots, found);
            }
        }
        Condition::PointsTo { paths, .. } => {
            found.push(CONTAINED.into());
            for path in paths {
                of_path(path, roots, found);
            }
        }
        Condition::Not(inner) => of_condition(inner, roots, found),
        Condition::And(left, right) | Condition::Or(left, right) => {
            of_condition(left, roots, found);
            of_condition(right, roots, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fhirpath::fixture::shapes;
    use crate::fhirpath::program::Program;

    #[test]
    fn what_a_program_looks_at_is_known() {
        let shapes = shapes();
        let members = |expression: &str| {
            let root = shapes.type_id("Observation").unwrap();
            let program = Program::compile(expression, root, &shapes).unwrap();
            program.members().map(|names| names.join(","))
        };
        let told = |text: &str| Some(text.to_owned());
        assert_eq!(
            members("Observation.code | Observation.component.code"),
            told("code,component")
        );
        assert_eq!(
            members("Observation.subject.where(resolve() is Patient)"),
            told("contained,subject")
        );
        assert_eq!(
            members("Observation.value as Quantity"),
            told("valueQuantity")
        );
        assert_eq!(members("Observation"), told(""));
    }
}
