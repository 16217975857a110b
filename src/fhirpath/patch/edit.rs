//! Changes to the members of an object that keep primitives and what stands beside them in step.
//!
//! `given` and `_given` are one list of pairs here; they are taken apart again when written.

use compact_str::CompactString;

use crate::fhir::resource::{Node, Object};
use crate::fhirpath::location::{Location, Segment};
use crate::fhirpath::patch::value::NewValue;

/// A value and what stands beside it; null where one is not there.
pub(super) type Pair = (Node, Node);

/// Adds a value: at the end of a list, or in a place that is free.
pub(super) fn add(holder: &mut Object, new: NewValue, is_array: bool) {
    let member = new.member.clone();
    if is_array {
        let mut list = take_list(holder, &member);
        list.push(new.pair());
        put_list(holder, &member, list);
    } else {
        put(holder, &member, new.pair());
    }
}

/// Changes a list as a whole; what it held is lost when `change` refuses.
pub(super) fn change_list<E>(
    holder: &mut Object,
    name: &str,
    change: impl FnOnce(&mut Vec<Pair>) -> Result<(), E>,
) -> Result<(), E> {
    let mut list = take_list(holder, name);
    change(&mut list)?;
    put_list(holder, name, list);
    Ok(())
}

/// Puts a value where another one, perhaps of another form of the choice, stands.
pub(super) fn replace(holder: &mut Object, at: &Segment, new: NewValue) {
    let member = new.member.clone();
    let Some(index) = at.index else {
        if member != at.name {
            rename(holder, &at.name, &member);
        }
        put(holder, &member, new.pair());
        return;
    };
    let mut list = take_list(holder, &at.name);
    if let Some(item) = list.get_mut(index) {
        *item = new.pair();
    }
    put_list(holder, &at.name, list);
}

/// Takes an element out, and what becomes empty by it.
pub(super) fn remove(root: &mut Object, at: Location) {
    let mut at = at;
    while let Some((parent, last)) = at.split_last() {
        let Some(holder) = parent.object_in_mut(root) else {
            return;
        };
        remove_from(holder, &last);
        if !holder.is_empty() {
            return;
        }
        at = parent;
    }
}

/// Changes what stands beside a primitive.
pub(super) fn change_beside(holder: &mut Object, at: &Segment, change: impl FnOnce(&mut Object)) {
    let changed = |beside: &mut Node| {
        if let Node::Object(object) = beside {
            change(object);
        } else {
            let mut object = Object::new();
            change(&mut object);
            *beside = Node::Object(object);
        }
    };
    match at.index {
        None => {
            let name = beside_name(&at.name);
            let mut beside = holder.remove(&name).unwrap_or(Node::Null);
            changed(&mut beside);
            holder.set(&name, beside);
        }
        Some(index) => {
            let mut list = take_list(holder, &at.name);
            if let Some((_, beside)) = list.get_mut(index) {
                changed(beside);
            }
            put_list(holder, &at.name, list);
        }
    }
}

fn remove_from(holder: &mut Object, at: &Segment) {
    let Some(index) = at.index else {
        holder.remove(&at.name);
        holder.remove(&beside_name(&at.name));
        return;
    };
    let mut list = take_list(holder, &at.name);
    if index < list.len() {
        list.remove(index);
    }
    put_list(holder, &at.name, list);
}

fn put(holder: &mut Object, name: &str, (value, beside): Pair) {
    for (name, node) in [(name.into(), value), (beside_name(name), beside)] {
        if node == Node::Null {
            holder.remove(&name);
        } else {
            holder.set(&name, node);
        }
    }
}

fn rename(holder: &mut Object, from: &str, to: &str) {
    holder.remove(&beside_name(from));
    let place = holder.iter().position(|(name, _)| name == from);
    if let (Some(place), Some(node)) = (place, holder.remove(from)) {
        holder.insert(place, to, node);
    }
}

/// Takes a list out of its members, leaving nulls to keep their place.
fn take_list(holder: &mut Object, name: &str) -> Vec<Pair> {
    let mut take = |name: &str| match holder
        .get_mut(name)
        .map(|n| std::mem::replace(n, Node::Null))
    {
        Some(Node::Array(items)) => items,
        Some(Node::Null) | None => Vec::new(),
        Some(single) => vec![single],
    };
    let mut values = take(name).into_iter();
    let mut besides = take(&beside_name(name)).into_iter();
    let mut list = Vec::new();
    loop {
        match (values.next(), besides.next()) {
            (None, None) => return list,
            (value, beside) => {
                list.push((value.unwrap_or(Node::Null), beside.unwrap_or(Node::Null)));
            }
        }
    }
}

fn put_list(holder: &mut Object, name: &str, list: Vec<Pair>) {
    let (values, besides): (Vec<_>, Vec<_>) = list.into_iter().unzip();
    for (name, items) in [(name.into(), values), (beside_name(name), besides)] {
        if items.iter().all(|item| *item == Node::Null) {
            holder.remove(&name);
        } else {
            holder.set(&name, Node::Array(items));
        }
    }
}

fn beside_name(name: &str) -> CompactString {
    let mut beside = CompactString::const_new("_");
    beside.push_str(name);
    beside
}
