//! Families that need no network and no proofs, one test each.

#[test]
fn fork_choice() {
    println!("{}", lathe_spec_tests::run_family("fork_choice").unwrap());
}

#[test]
fn justifiability() {
    println!("{}", lathe_spec_tests::run_family("justifiability").unwrap());
}

#[test]
fn slot_clock() {
    println!("{}", lathe_spec_tests::run_family("slot_clock").unwrap());
}

#[test]
fn ssz() {
    println!("{}", lathe_spec_tests::run_family("ssz").unwrap());
}

#[test]
fn state_transition() {
    println!("{}", lathe_spec_tests::run_family("state_transition").unwrap());
}

#[test]
fn sync() {
    println!("{}", lathe_spec_tests::run_family("sync").unwrap());
}
