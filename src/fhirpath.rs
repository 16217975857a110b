//! FHIRPath over our resource model.
