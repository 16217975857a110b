//! Every write against the R4 definitions: resource in, list of issues out.
