//! DSNs as seen from outside.

mod endpoints;
mod parse;
mod parts;
mod properties;
mod write;

use relay_dsn::Dsn;

const KEY: &str = "a94ae32be2582e0bcb7b0ba0d8ba36f3";

fn dsn(text: &str) -> Dsn {
    text.parse().expect(text)
}
