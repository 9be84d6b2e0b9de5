//! Emulators of the payment providers over real HTTP, scriptable, with faults.
#![forbid(unsafe_code)]
