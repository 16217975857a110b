//! The pages, over plain HTTP as a browser without scripts sees them.

mod sign_in;
