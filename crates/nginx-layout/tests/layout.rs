//! Each structure, field and bit-field of `c/structures.h`, for Rust and for the C compiler.

use nginx_layout::{BITS, FIELDS, SIZES, c};

#[test]
fn structures_have_the_same_size_in_rust_and_in_c() {
    for ((name, size), in_c) in SIZES.iter().zip(c::sizes()) {
        assert_eq!(size, in_c, "{name}");
    }
}

#[test]
fn fields_lie_at_the_same_place_in_rust_and_in_c() {
    for ((name, offset, size, _), in_c) in FIELDS.iter().zip(c::fields()) {
        assert_eq!([*offset, *size], *in_c, "{name}");
    }
}

#[test]
fn bit_fields_are_the_same_bits_in_rust_and_in_c() {
    let wrong: Vec<_> = BITS
        .iter()
        .zip(c::bits())
        .filter(|((_, agrees), set)| !agrees(**set))
        .map(|((name, _), _)| name)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
