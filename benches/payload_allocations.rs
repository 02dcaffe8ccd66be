//! How often does looking into a payload allocate, and how many bytes?
//!
//! Prints a table. Apart from the bench of times, whose allocator is not to be burdened with counting.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use relay_benches::payload::{
    SHAPES, full, ingress, parse, parse_and_write, payload, value, value_and_write,
};

fn main() {
    println!(
        "| payload | parse | parse + write | full | serde_json parse | serde_json parse + write |"
    );
    println!("|---|---|---|---|---|---|");
    for shape in SHAPES {
        let body = payload(shape);
        let ingress = ingress(&body);
        let rows = [
            measure(|| drop(black_box(parse(&body)))),
            measure(|| drop(black_box(parse_and_write(&body)))),
            measure(|| drop(black_box(full(&body, &ingress)))),
            measure(|| drop(black_box(value(&body)))),
            measure(|| drop(black_box(value_and_write(&body)))),
        ];
        println!("| {shape} | {} |", rows.map(|info| cell(&info)).join(" | "));
    }
}

/// Number of allocations, and the most memory held at once.
fn cell(info: &AllocationInfo) -> String {
    format!("{} ({} KB)", info.count_total, info.bytes_max.div_ceil(1000))
}
