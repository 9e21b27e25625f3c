//! What an operator or a file says of peers: node records, multiaddresses, node keys.

use ::enr::Enr;
use ::enr::k256::ecdsa::SigningKey;
use lathe_network::{Bootnode, NodeKey, NodeRecord, parse_bootnodes};

/// Longest name of an entry in a record that this target makes.
const MAX_NAME_LEN: usize = 16;

/// The first byte chooses: a text, or the entries of a record that is then signed, since no mutation hits a signature.
pub fn enr(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match choice % 2 {
        0 => text(&String::from_utf8_lossy(data)),
        _ => signed(data),
    }
}

/// What parses prints as a text that parses to the same.
fn text(text: &str) {
    if let Ok(record) = text.parse::<NodeRecord>() {
        check(&record);
    }
    if let Ok(bootnode) = text.parse::<Bootnode>() {
        let id = bootnode.peer_id.map(|id| format!("/p2p/{id}")).unwrap_or_default();
        assert_eq!(format!("{}{id}", bootnode.address).parse(), Ok(bootnode));
    }
    assert!(parse_bootnodes(text).len() <= text.len());
    if let Ok(key) = NodeKey::from_hex(text) {
        assert_eq!(NodeKey::from_hex(&key.to_hex()).map(|again| again.peer_id()), Ok(key.peer_id()));
    }
}

fn check(record: &NodeRecord) {
    let printed = record.to_string();
    assert_eq!(printed.parse().as_ref(), Ok(record));
    let id = record.peer_id();
    assert!(id.is_ok(), "a record that its key signed has a peer id");
    // A record is a bootnode exactly if it says where to dial.
    let bootnode = printed.parse::<Bootnode>().ok();
    assert_eq!(bootnode.as_ref().map(|bootnode| &bootnode.address), record.quic_address().as_ref());
    assert!(bootnode.is_none_or(|bootnode| bootnode.peer_id == id.ok()));
    let _ = (record.sequence(), record.node_id());
}

/// Builds a record of entries `name length, name, value length, value`, as an ill-meaning peer could sign it.
fn signed(mut data: &[u8]) {
    let Ok(key) = SigningKey::from_slice(&[7; 32]) else { return };
    let mut builder = Enr::builder();
    while let Some((name, rest)) = chunk(data)
        && let Some((value, rest)) = chunk(rest)
    {
        if name.len() <= MAX_NAME_LEN {
            // Half of the values are raw RLP, and so possibly not what the name promises.
            match value.split_first() {
                Some((0x80.., raw)) => builder.add_value_rlp(name, raw.to_vec().into()),
                _ => builder.add_value(name, &value),
            };
        }
        data = rest;
    }
    let Ok(record) = builder.build(&key) else { return };
    if let Ok(record) = record.to_base64().parse::<NodeRecord>() {
        check(&record);
    }
}

/// A chunk behind a byte with its length.
fn chunk(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*length))
}
