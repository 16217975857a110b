//! Raw `update` and `delete` commands: many statements in one message, and their answers.

use mongodb::bson::raw::{CStr, RawArrayBuf, cstr};
use mongodb::bson::{Document, RawDocumentBuf};

use crate::store::mongo::failure::{DUPLICATE_KEY, Failure, from_code, no_majority};

/// How many bytes of statements one command carries; the server takes 16 MiB.
const COMMAND_BYTES_MAX: usize = 12 * 1024 * 1024;

/// How many statements one command carries; the server takes 100,000.
const STATEMENTS_MAX: usize = 50_000;

/// A command and how many documents its statements must match together.
#[derive(Debug, Clone)]
pub(super) struct Statements {
    /// The command.
    pub(super) command: RawDocumentBuf,
    /// How many statements there are.
    pub(super) count: i64,
}

/// `update` commands for `collection`, as few as fit.
pub(super) fn updates(
    collection: &str,
    statements: impl IntoIterator<Item = RawDocumentBuf>,
) -> Vec<Statements> {
    commands((cstr!("update"), cstr!("updates")), collection, statements)
}

/// `delete` commands for `collection`, as few as fit.
pub(super) fn deletes(
    collection: &str,
    statements: impl IntoIterator<Item = RawDocumentBuf>,
) -> Vec<Statements> {
    commands((cstr!("delete"), cstr!("deletes")), collection, statements)
}

/// How many documents the statements of an answered command matched or made.
pub(super) fn written(answer: &Document) -> Result<i64, Failure> {
    if let Some(refusal) = first_error(answer) {
        let code = refusal.get_i32("code").unwrap_or_default();
        return Err(match code {
            DUPLICATE_KEY => Failure::Duplicate,
            _ => Failure::Store(from_code(
                code,
                refusal.get_str("codeName").unwrap_or_default(),
            )),
        });
    }
    if answer.contains_key("writeConcernError") {
        return Err(Failure::Store(no_majority()));
    }
    Ok(answer.get_i32("n").map(i64::from).unwrap_or_default())
}

fn first_error(answer: &Document) -> Option<&Document> {
    answer.get_array("writeErrors").ok()?.first()?.as_document()
}

fn commands(
    (verb, list): (&CStr, &CStr),
    collection: &str,
    statements: impl IntoIterator<Item = RawDocumentBuf>,
) -> Vec<Statements> {
    let mut commands = Vec::new();
    let mut array = RawArrayBuf::new();
    let (mut bytes, mut count) = (0, 0);
    let close = |array: RawArrayBuf, count: usize| {
        let mut command = RawDocumentBuf::new();
        command.append(verb, collection);
        command.append(cstr!("ordered"), true);
        command.append(list, array);
        Statements {
            command,
            count: i64::try_from(count).unwrap_or(i64::MAX),
        }
    };
    for statement in statements {
        let more = statement.as_bytes().len();
        if count > 0 && (bytes + more > COMMAND_BYTES_MAX || count == STATEMENTS_MAX) {
            commands.push(close(std::mem::take(&mut array), count));
            (bytes, count) = (0, 0);
        }
        array.push(statement);
        bytes += more;
        count += 1;
    }
    if count > 0 {
        commands.push(close(array, count));
    }
    commands
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{doc, rawdoc};

    use super::{COMMAND_BYTES_MAX, updates, written};
    use crate::store::mongo::failure::Failure;

    #[test]
    fn commands_stay_within_a_message() {
        let third = "x".repeat(COMMAND_BYTES_MAX / 3);
        let commands = updates("res", (0..4).map(|_| rawdoc! { "q": third.as_str() }));
        assert_eq!(commands.iter().map(|c| c.count).collect::<Vec<_>>(), [2, 2]);
        assert!(
            commands
                .iter()
                .all(|c| c.command.as_bytes().len() < 16 * 1024 * 1024)
        );
        assert!(updates("res", []).is_empty());
    }

    #[test]
    fn an_answer_says_how_many_or_what_failed() {
        assert_eq!(written(&doc! { "n": 3 }).unwrap(), 3);
        let refused = doc! { "n": 0, "writeErrors": [{ "index": 0, "code": 11000 }] };
        assert!(matches!(written(&refused), Err(Failure::Duplicate)));
        let unconfirmed = doc! { "n": 1, "writeConcernError": { "code": 64 } };
        assert!(matches!(written(&unconfirmed), Err(Failure::Store(_))));
    }
}
