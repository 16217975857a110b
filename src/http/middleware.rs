//! What happens around every request: an id, a log line, measurements, the representation.

pub mod observe;
pub mod represent;
