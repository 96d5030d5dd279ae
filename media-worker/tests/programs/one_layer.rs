//! Stands in for the launcher in the tests: puts on one layer of the sandbox alone and becomes the program.
//! The launcher itself has no way to leave a layer out.
//!
//! `one_layer LAYER PROGRAM ARGUMENT…`, in the folder that the program may write to.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test program may die loudly"
)]

use std::env::args_os;

use media_worker::sandbox;

fn main() {
    let args: Vec<_> = args_os().collect();
    let [_, layer, program, rest @ ..] = args.as_slice() else {
        panic!("expected a layer and a program")
    };
    nix::sys::prctl::set_no_new_privs().unwrap();
    match layer.to_str().unwrap() {
        "landlock" => {
            let abi = sandbox::restrict_files(&[program.into()], false).unwrap();
            assert!(abi >= 4, "Landlock {abi} is too old");
        }
        "seccomp" => sandbox::restrict_calls().unwrap(),
        "seccomp that tells" => sandbox::restrict_calls_and_tell().unwrap(),
        "namespaces" => sandbox::leave_namespaces().unwrap(),
        other => panic!("unknown layer {other}"),
    }
    panic!("{}", sandbox::become_program(program, rest));
}
