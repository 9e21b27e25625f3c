//! Families about signatures and proofs, one test each.

#[test]
fn poseidon_permutation() {
    println!("{}", lathe_spec_tests::run_family("poseidon_permutation").unwrap());
}

#[test]
fn reaggregation() {
    println!("{}", lathe_spec_tests::run_family("reaggregation").unwrap());
}

#[test]
fn verify_multi_message_proofs() {
    println!("{}", lathe_spec_tests::run_family("verify_multi_message_proofs").unwrap());
}

#[test]
fn verify_signatures() {
    println!("{}", lathe_spec_tests::run_family("verify_signatures").unwrap());
}

#[test]
fn verify_single_message_proofs() {
    println!("{}", lathe_spec_tests::run_family("verify_single_message_proofs").unwrap());
}
