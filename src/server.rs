//! The server: every part put together, listening, and stopped gracefully.
