//! Transactions for a development chain: transfers, and withdrawal requests to the predeploy of EIP-7002.

use alloy_primitives::{Address, U256, address, hex, keccak256};
use alloy_rlp::{Encodable as _, Header};
use k256::ecdsa::SigningKey;

/// Type byte of EIP-1559 transactions.
const TYPE: u8 = 2;
/// The contract that takes withdrawal requests.
const WITHDRAWAL_REQUESTS: Address = address!("00000961Ef480Eb55e80D19ad83579A64c007002");
/// Who receives the transfers.
const RECIPIENT: Address = Address::repeat_byte(0x11);
/// What is transferred, in wei.
const AMOUNT: u64 = 1_000_000_000;
/// Gas of a transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas of a withdrawal request: it writes a few words of storage.
const REQUEST_GAS: u64 = 250_000;
/// What a withdrawal request may cost beside its gas, in wei; the contract keeps it. The fee is 1 wei while few ask.
const REQUEST_FEE: u64 = 1_000;
/// Tip per gas, in wei.
const TIP: u64 = 1_000_000_000;
/// Most per gas, in wei: twenty times the first base fee.
const FEE_CAP: u64 = 20_000_000_000;

/// Signs for one account.
pub(super) struct Sender {
    key: SigningKey,
    chain_id: u64,
    address: Address,
}

impl Sender {
    /// The account of a secret key; `None` if it is not one.
    pub(super) fn new(secret: [u8; 32], chain_id: u64) -> Option<Self> {
        let key = SigningKey::from_bytes(&secret.into()).ok()?;
        let point = key.verifying_key().to_sec1_point(false);
        let address = Address::from_raw_public_key(&point.as_bytes()[1..]);
        Some(Self { key, chain_id, address })
    }

    /// Its address.
    pub(super) fn address(&self) -> Address {
        self.address
    }

    /// A small transfer, ready to be sent.
    pub(super) fn transfer(&self, nonce: u64) -> Vec<u8> {
        self.sign(nonce, TRANSFER_GAS, RECIPIENT, AMOUNT, &[])
    }

    /// A request to withdraw a validator, ready to be sent. Its key is made up, so that nobody withdraws.
    pub(super) fn withdrawal_request(&self, nonce: u64) -> Vec<u8> {
        let mut data = [0x77; 48 + 8];
        data[48..].copy_from_slice(&nonce.to_be_bytes());
        self.sign(nonce, REQUEST_GAS, WITHDRAWAL_REQUESTS, REQUEST_FEE, &data)
    }

    fn sign(&self, nonce: u64, gas: u64, to: Address, value: u64, data: &[u8]) -> Vec<u8> {
        let mut fields = Vec::new();
        for number in [self.chain_id, nonce, TIP, FEE_CAP, gas] {
            number.encode(&mut fields);
        }
        to.encode(&mut fields);
        value.encode(&mut fields);
        data.encode(&mut fields);
        // No access list.
        Header { list: true, payload_length: 0 }.encode(&mut fields);
        let message = keccak256(typed_list(&fields));
        let (signature, parity) = self.key.sign_prehash_recoverable(message.as_slice());
        parity.is_y_odd().encode(&mut fields);
        U256::from_be_slice(&signature.r().to_bytes()).encode(&mut fields);
        U256::from_be_slice(&signature.s().to_bytes()).encode(&mut fields);
        typed_list(&fields)
    }
}

/// The type byte and the list of `fields`.
fn typed_list(fields: &[u8]) -> Vec<u8> {
    let mut bytes = vec![TYPE];
    Header { list: true, payload_length: fields.len() }.encode(&mut bytes);
    bytes.extend_from_slice(fields);
    bytes
}

/// As `eth_sendRawTransaction` takes it.
pub(super) fn to_hex(transaction: &[u8]) -> String {
    hex::encode_prefixed(transaction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_execution::dev::{CHAIN_ID, FUNDED_KEY};

    fn sender() -> Sender {
        Sender::new(FUNDED_KEY, CHAIN_ID).unwrap()
    }

    #[test]
    fn the_address_is_that_of_the_example_key() {
        assert_eq!(sender().address(), address!("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"));
        assert!(Sender::new([0; 32], 1).is_none());
    }

    #[test]
    fn a_transfer_is_signed_by_its_sender() {
        use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

        let bytes = sender().transfer(7);
        assert_eq!(bytes[0], TYPE);
        let mut rest = &bytes[1..];
        let header = Header::decode(&mut rest).unwrap();
        assert!(header.list && header.payload_length == rest.len());
        // Parity, r and s are the last three fields; what is before them was signed.
        let unsigned = &rest[..rest.len() - 67];
        let (parity, r, s) =
            (rest[rest.len() - 67], &rest[rest.len() - 65..][..32], &rest[rest.len() - 32..]);
        let signature = Signature::from_slice(&[r, s].concat()).unwrap();
        let id = RecoveryId::new(parity == 1, false);
        let signer =
            VerifyingKey::recover_from_prehash(keccak256(typed_list(unsigned)).as_slice(), &signature, id);
        let point = signer.unwrap().to_sec1_point(false);
        assert_eq!(Address::from_raw_public_key(&point.as_bytes()[1..]), sender().address());
    }
}
