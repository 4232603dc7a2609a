//! Registries as people have them: other keys, other values, and a hostile hand on both.

mod budgets;
mod checking;
mod diffing;
mod explaining;
mod hostile;
mod layouts;
mod sources;
