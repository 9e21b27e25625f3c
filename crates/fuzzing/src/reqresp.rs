//! Requests and responses: whole buffers, and streams that end where they please.

use futures::executor::block_on;
use futures::io::Cursor;
use lathe_network::reqresp::codec::{
    decode_request, decode_response, decode_varint, encode_request, encode_response, encode_varint,
};
use lathe_network::reqresp::{Protocol, read_payload};
use lathe_network::snappy::MAX_PAYLOAD_SIZE;
use lathe_network::{Request, ResponseCode};

/// The first byte chooses: the three protocols' requests, a response, a stream of payloads, a length.
pub fn reqresp(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match usize::from(*choice) {
        protocol @ 0..3 => request(Protocol::ALL[protocol], data),
        3 => response(data),
        4 => stream(data),
        _ => varint(data),
    }
}

/// A request has one encoding, and asks for no more than its length allows.
fn request(protocol: Protocol, wire: &[u8]) {
    let Ok(ssz) = decode_request(wire) else { return };
    assert_eq!(encode_request(&ssz).and_then(|wire| decode_request(&wire)).as_ref(), Ok(&ssz));
    let Ok(request) = Request::from_ssz(protocol, &ssz) else { return };
    assert_eq!(request.protocol(), protocol);
    assert_eq!(request.to_ssz(), ssz, "a second encoding of one request was accepted");
    assert!(ssz.len() <= protocol.max_request_len());
    if protocol == Protocol::BlocksByRoot {
        assert!(request.max_blocks() <= ssz.len() as u64 / 32);
    }
}

fn response(wire: &[u8]) {
    let Ok((code, ssz)) = decode_response(wire) else { return };
    assert_eq!(ResponseCode::from_byte(code.byte()), code);
    let again = encode_response(code, &ssz).and_then(|wire| decode_response(&wire));
    assert_eq!(again, Ok((code, ssz)));
}

/// A reader of a stream and a reader of a buffer agree on every payload, and on where it ends.
fn stream(mut wire: &[u8]) {
    let limit = MAX_PAYLOAD_SIZE;
    loop {
        let mut cursor = Cursor::new(wire);
        let Ok(payload) = block_on(read_payload(&mut cursor, limit)) else { return };
        assert!(payload.len() <= limit);
        let used = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        let (consumed, rest) = wire.split_at(used);
        assert_eq!(decode_request(consumed), Ok(payload));
        wire = rest;
    }
}

/// A number has one encoding.
fn varint(bytes: &[u8]) {
    let Ok((value, used)) = decode_varint(bytes) else { return };
    assert_eq!(encode_varint(value), &bytes[..used]);
}
