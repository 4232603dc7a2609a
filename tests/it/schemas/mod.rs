//! Registries as people have them: other keys, other values, and a hostile hand on both.

mod explaining;
mod hostile;
mod layouts;
mod sources;
