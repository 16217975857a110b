//! What R4 defines, loaded once from `profiles/`: shapes, search parameters, compartments.
