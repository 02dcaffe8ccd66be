//! What a spool promises, seen from outside.

mod age;
mod archive;
mod bounds;
mod damage;
mod documentation;
mod format;
mod look;
mod model;
mod order;
mod removed;
mod support;
mod survive;
