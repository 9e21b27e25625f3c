//! Keys, signatures and key files of XMSS over BLAKE2s.

use lathe_xmss_blake2s::{
    KeyFormat, Layout, PUBLIC_KEY_BYTES, PublicKey, SIGNATURE_BYTES, SecretKey, Signature, verify,
    verify_bytes,
};

use crate::key_files::with_key_checksum;

/// The first byte chooses the layout and what the rest is: a key file, one whose checksum is put right, or a public key
/// with a signature.
pub fn xmss(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let layout = Layout::ALL[usize::from(choice / 3) % Layout::ALL.len()];
    match choice % 3 {
        0 => key(layout, data),
        1 => key(layout, &with_key_checksum(data)),
        _ => signature(layout, data),
    }
}

/// A key that is read is written as the same file, in whichever format it came, and signs for its slots.
fn key(layout: Layout, file: &[u8]) {
    let Ok(mut key) = SecretKey::decode(layout, file) else { return };
    let [ours, theirs] = [Ok(key.encode()), key.export_postcard()];
    let written = if KeyFormat::of(file) == Some(KeyFormat::Lathe) { &ours } else { &theirs };
    // Postcard has more than one way to write a number; the key is the same.
    assert!(written.as_ref().is_ok_and(|written| written.len() <= file.len()));
    for file in [ours, theirs] {
        let again = file.and_then(|file| SecretKey::decode(layout, &file));
        assert!(
            again.is_ok_and(|again| again.slots() == key.slots() && again.public_key() == key.public_key())
        );
    }
    let first = key.slots().start;
    let signed = key.sign_with_build(first, &[7; 32]);
    assert!(signed.is_ok_and(|signed| verify(layout, &key.public_key(), first, &[7; 32], &signed)));
}

/// Any bytes of the right length are a key and a signature, of which there is one encoding. None that was not made by a
/// signer is valid.
fn signature(layout: Layout, data: &[u8]) {
    let Some((key, bytes)) = data.split_first_chunk::<PUBLIC_KEY_BYTES>() else { return };
    assert_eq!(PublicKey::decode(key).encode(), *key);
    let signature = Signature::decode(bytes);
    assert_eq!(signature.is_ok(), bytes.len() == SIGNATURE_BYTES);
    assert!(signature.is_ok_and(|signature| signature.encode() == bytes) || bytes.len() != SIGNATURE_BYTES);
    assert!(!verify_bytes(layout, key, 3, &[0x5a; 32], bytes), "a message that no seed has signed");
}
