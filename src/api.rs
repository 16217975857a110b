//! Routes, one page per surface. Handlers extract, ask for access, call an interaction, respond.
