//! What happens around every request: whether it may come, an id, a log line, measurements, the
//! representation.

pub mod admit;
pub mod audit;
pub mod guard;
pub mod observe;
pub mod represent;
