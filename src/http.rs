//! HTTP plumbing without routes: negotiation, extraction, responses, middleware.
