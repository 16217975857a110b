//! Search over HTTP, by what is searched for.

mod value;
