//! Pages for people: server-rendered, without scripts but where a passkey needs one.
//!
//! One file for each page, its template beside it in `templates/`; all stand on `layout.html` and
//! `vesta.css`. Mounted in `access = "smart"` only.

mod acts;
pub mod assets;
pub mod authorize;
pub mod consent;
pub mod form;
pub mod grants;
pub mod home;
pub mod join;
pub mod launch;
pub mod outside;
pub mod page;
pub mod people;
pub mod picker;
mod record;
pub mod routes;
pub mod second_factor;
pub mod security;
pub mod session;
pub mod sign_in;
pub mod words;
