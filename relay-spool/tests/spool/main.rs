//! What a spool promises, seen from outside.

mod bounds;
mod damage;
mod model;
mod order;
mod support;
mod survive;
