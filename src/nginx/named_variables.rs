//! Variables that are found by their names while nginx runs, as its SSI and its scripting modules
//! find them: those of texts that do not stand in the configuration.

use core::{ptr, slice};
use std::sync::Arc;

use nginx_syntax::{Part, parts};
use ngx::ffi::{
    ngx_array_t, ngx_hash_find, ngx_hash_strlow, ngx_hash_t, ngx_pnalloc, ngx_pool_t, ngx_str_t,
    ngx_uint_t,
};
use upstream_settings::IsVariable;

/// Where a protocol has its variables, which are complete once the configuration has been read.
struct Tables {
    hash: *const ngx_hash_t,
    /// Of variables such as `arg_`; each item begins with a name.
    prefixes: *const ngx_array_t,
}

// SAFETY: `lookup` is called once the configuration has been read. From then on nobody writes to
// the tables, which live as long as the cycle.
unsafe impl Send for Tables {}
// SAFETY: as above.
unsafe impl Sync for Tables {}

impl Tables {
    /// Whether there is a variable of this name.
    fn has(&self, name: &str) -> bool {
        let mut lower = name.as_bytes().to_vec();
        // SAFETY: the name has as many bytes; see `Send` for the tables, of which the function
        // writes to neither.
        let (found, prefixes) = unsafe {
            let hash = ngx_hash_strlow(lower.as_mut_ptr(), lower.as_mut_ptr(), lower.len());
            let table = self.hash.cast_mut();
            // nginx makes the table with its first variable.
            let is_made = !(*table).buckets.is_null();
            let found =
                is_made && !ngx_hash_find(table, hash, lower.as_mut_ptr(), lower.len()).is_null();
            (found, &*self.prefixes)
        };
        let mut items = (0..prefixes.nelts).map(|at| {
            // SAFETY: an array has as many items, each of that size, which begin with a name that
            // has as many bytes as it says.
            unsafe {
                let name = prefixes.elts.cast::<u8>().add(at * prefixes.size).cast::<ngx_str_t>();
                slice::from_raw_parts((*name).data, (*name).len)
            }
        });
        found || items.any(|prefix| lower.starts_with(prefix))
    }
}

/// What says whether a protocol has a variable of a name.
///
/// # Safety
///
/// Both are the protocol's own, and live as long as what is returned, which is not called before
/// the configuration has been read.
pub(crate) unsafe fn lookup(hash: *const ngx_hash_t, prefixes: *const ngx_array_t) -> IsVariable {
    let tables = Tables { hash, prefixes };
    Arc::new(move |name| tables.has(name))
}

/// Evaluates a text for a request or session, in its pool. `get` is given the name of each variable
/// in lower case, with its hash, and returns its value, if it has one. `None` if the pool has no
/// memory.
///
/// # Safety
///
/// The pool lives, and so do the values that `get` returns.
pub(crate) unsafe fn evaluate<'v>(
    pool: *mut ngx_pool_t,
    text: &str,
    mut get: impl FnMut(&mut ngx_str_t, ngx_uint_t) -> Option<&'v [u8]>,
) -> Option<ngx_str_t> {
    // SAFETY: the caller's promise.
    let allocate = |size: usize| unsafe { ngx_pnalloc(pool, size.max(1)) }.cast::<u8>();
    let mut whole = ngx_str_t::empty();
    for part in parts(text) {
        let part = match part {
            Part::Text(text) => text.as_bytes(),
            Part::Variable(name) => {
                let lower = allocate(name.len());
                if lower.is_null() {
                    return None;
                }
                // SAFETY: the pool gave out as many bytes.
                let hash = unsafe { ngx_hash_strlow(lower, name.as_ptr().cast_mut(), name.len()) };
                // As in nginx's own texts, a variable that has no value is empty, whatever the
                // reason.
                get(&mut ngx_str_t { len: name.len(), data: lower }, hash).unwrap_or_default()
            }
            // Settings with such a text are not valid.
            Part::Invalid(_) => continue,
        };
        if whole.len == 0 {
            // Most keys are one variable, whose value lies in the pool already.
            whole = ngx_str_t { len: part.len(), data: part.as_ptr().cast_mut() };
            continue;
        }
        let longer = allocate(whole.len + part.len());
        if longer.is_null() {
            return None;
        }
        // SAFETY: the pool gave out as many bytes as both have.
        unsafe {
            ptr::copy_nonoverlapping(whole.data, longer, whole.len);
            ptr::copy_nonoverlapping(part.as_ptr(), longer.add(whole.len), part.len());
        }
        whole = ngx_str_t { len: whole.len + part.len(), data: longer };
    }
    Some(whole)
}
