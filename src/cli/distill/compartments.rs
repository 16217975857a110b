//! The table of compartments: which parameters of which types put a resource into one.

use super::definition::Definitions;
use super::line;

const NOTE: &str = "\
# Compartments of R4. Written by `vesta distill`.
# type of the resource that the compartment is about
#\tresource type, its parameters that put a resource into the compartment
# {def}: a resource of this type is in its own compartment.
";

/// The parameter that stands for the resource itself.
const ITSELF: &str = "{def}";

/// Makes the table.
pub(super) fn table(definitions: &Definitions) -> (String, usize) {
    let mut text = NOTE.to_owned();
    for (code, compartment) in &definitions.compartments {
        text.push_str(&line(0, &[code]));
        let mut rows: Vec<_> = compartment.resource.iter().collect();
        rows.sort_by_key(|row| &row.code);
        for row in rows {
            let mut parameters: Vec<_> = row.param.iter().map(String::as_str).collect();
            // Some definitions do not list the resource that they are about.
            if row.code == *code && !parameters.contains(&ITSELF) {
                parameters.insert(0, ITSELF);
            }
            if !parameters.is_empty() {
                text.push_str(&line(1, &[&row.code, &parameters.join(",")]));
            }
        }
    }
    (text, definitions.compartments.len())
}
