//! Families about the wire, one test each.

#[test]
fn api_endpoint() {
    println!("{}", lathe_spec_tests::run_family("api_endpoint").unwrap());
}

#[test]
fn gossipsub_handler() {
    println!("{}", lathe_spec_tests::run_family("gossipsub_handler").unwrap());
}

#[test]
fn networking_codec() {
    println!("{}", lathe_spec_tests::run_family("networking_codec").unwrap());
}
