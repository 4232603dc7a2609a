//! Registries as people have them: other keys, other values, and a hostile hand on both.

mod budgets;
mod checking;
mod diffing;
mod explaining;
mod garbage;
mod heartbeats;
mod hostile;
mod layouts;
mod presets;
mod real_clients;
mod sources;
