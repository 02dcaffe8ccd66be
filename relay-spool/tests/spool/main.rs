//! What a spool promises, seen from outside.

mod archive;
mod bounds;
mod damage;
mod documentation;
mod look;
mod model;
mod order;
mod support;
mod survive;
