//! Whether the structures of nginx that the module touches lie for Rust, as bindgen has them, where
//! the C compiler has them, which has compiled nginx.
//!
//! `c/structures.h` names the structures, fields and bit-fields. Both compilers make a table of it;
//! the test compares them. It is of use for each nginx that the module is built for, since
//! bit-fields and fields move between versions.

use core::{any::type_name, ffi::c_void, mem::offset_of};

/// Sets all bits of one bit-field, as C does.
pub type SetBits = unsafe extern "C" fn(*mut c_void);

/// A field, `TYPE.NAME`: where it begins, its size, and the name of its type.
pub type Field = (&'static str, usize, usize, fn() -> &'static str);

/// A bit-field, `TYPE.NAME`, and whether Rust reads and clears the bits that C has set.
pub type Bits = (&'static str, fn(SetBits) -> bool);

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

const fn size_of_field<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

fn type_of_field<T, F>(_: fn(&T) -> &F) -> &'static str {
    type_name::<F>()
}

/// Whether the bits that C sets in a `T` of zeroes are those that Rust reads and clears.
fn reads_back<T>(set: SetBits, get: impl Fn(&T) -> u64, clear: impl Fn(&mut T)) -> bool {
    // SAFETY: all zeroes are a value of each structure of nginx's, which are numbers and pointers.
    let mut value: T = unsafe { core::mem::zeroed() };
    // SAFETY: the function is the one of this bit-field, in a structure of this type.
    unsafe { set((&raw mut value).cast()) };
    let is_read = get(&value) != 0;
    clear(&mut value);
    // Set once more and cleared: no other bit may be left, and none be missing.
    let bytes = (&raw const value).cast::<u8>();
    // SAFETY: the value has as many bytes, and each was written when it was zeroed.
    let is_clear =
        unsafe { core::slice::from_raw_parts(bytes, size_of::<T>()) }.iter().all(|&byte| byte == 0);
    is_read && is_clear
}

/// What the C compiler has, in the order of the tables.
pub mod c {
    use super::SetBits;

    #[link(name = "nginx_layout", kind = "static")]
    unsafe extern "C" {
        static nginx_layout_sizes: [usize; super::SIZES.len()];
        static nginx_layout_fields: [[usize; 2]; super::FIELDS.len()];
        static nginx_layout_bits: [SetBits; super::BITS.len()];
    }

    /// The types' sizes.
    pub fn sizes() -> &'static [usize] {
        // SAFETY: it has as many entries, made of the same lines, and is never written to.
        unsafe { &nginx_layout_sizes }
    }

    /// Where the fields begin, and their sizes.
    pub fn fields() -> &'static [[usize; 2]] {
        // SAFETY: as above.
        unsafe { &nginx_layout_fields }
    }

    /// What sets each bit-field.
    pub fn bits() -> &'static [SetBits] {
        // SAFETY: as above.
        unsafe { &nginx_layout_bits }
    }
}
