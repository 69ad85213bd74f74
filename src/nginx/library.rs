//! The shared object that nginx has loaded these modules from.

use core::{ffi::c_void, ptr};

/// Some address within it.
static HERE: u8 = 0;

/// Keeps it in memory for as long as the process lives, whatever nginx does with it: for a thread
/// that does not end in time.
pub(crate) fn stay_loaded() {
    let here = ptr::addr_of!(HERE).cast::<c_void>();
    // SAFETY: zeroes are a valid value of it.
    let mut object: libc::Dl_info = unsafe { core::mem::zeroed() };
    // SAFETY: the address lies in the module, and `object` is a local variable; the name that is
    // found lives as long as the module.
    unsafe {
        if libc::dladdr(here, &raw mut object) != 0 {
            // One more reference, which nobody gives back.
            libc::dlopen(object.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        }
    }
}
