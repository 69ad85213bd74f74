//! The memory that the C library keeps for this process.

/// Gives back to the system what is free. A list takes several times what is kept of it, in pieces
/// between those that stay, which the C library would keep.
#[cfg(target_env = "gnu")]
pub(super) fn give_back() {
    // SAFETY: the function takes no pointers, and may be called by any thread at any time.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries have no such function.
#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}
