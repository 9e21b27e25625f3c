//! The framing of requests and responses as pure functions over whole buffers.
//!
//! Request: `varint(uncompressed length) || framed snappy`. Response chunk: the code's byte, then the same.

use super::protocol::ResponseCode;
use crate::error::Error;
use crate::snappy::{MAX_PAYLOAD_SIZE, check_len, compress_frames, decompress_frames};

/// Bytes of the longest varint: ten times seven bits hold 64.
const MAX_VARINT_LEN: usize = 10;
/// Bytes of error text that a response carries (`MAX_ERROR_MESSAGE_SIZE`).
pub const MAX_ERROR_MESSAGE_SIZE: usize = 256;

/// Encodes a request.
pub fn encode_request(ssz: &[u8]) -> Result<Vec<u8>, Error> {
    let mut wire = Vec::new();
    append_payload(&mut wire, ssz)?;
    Ok(wire)
}

/// Decodes a request to its SSZ bytes.
pub fn decode_request(wire: &[u8]) -> Result<Vec<u8>, Error> {
    if wire.is_empty() {
        return Err(Error::Codec("empty request"));
    }
    decode_payload(wire)
}

/// Encodes a response chunk.
pub fn encode_response(code: ResponseCode, ssz: &[u8]) -> Result<Vec<u8>, Error> {
    let mut wire = vec![code.byte()];
    append_payload(&mut wire, ssz)?;
    Ok(wire)
}

/// Encodes an error chunk, its text cut to 256 bytes on a character boundary.
pub fn encode_error(code: ResponseCode, text: &str) -> Result<Vec<u8>, Error> {
    encode_response(code, &text.as_bytes()[..text.floor_char_boundary(MAX_ERROR_MESSAGE_SIZE)])
}

/// Decodes a response chunk.
pub fn decode_response(wire: &[u8]) -> Result<(ResponseCode, Vec<u8>), Error> {
    let (&code, payload) = wire.split_first().ok_or(Error::Codec("empty response"))?;
    Ok((ResponseCode::from_byte(code), decode_payload(payload)?))
}

/// Encodes `value` as LEB128.
pub fn encode_varint(value: u64) -> Vec<u8> {
    unsigned_varint::encode::u64(value, &mut unsigned_varint::encode::u64_buffer()).to_vec()
}

/// Decodes a minimal LEB128 of at most ten bytes; returns the value and the bytes used.
pub fn decode_varint(bytes: &[u8]) -> Result<(u64, usize), Error> {
    let bad = Error::Codec("length is no varint of 64 bits");
    let Ok((value, rest)) = unsigned_varint::decode::u64(bytes) else { return Err(bad) };
    let used = bytes.len() - rest.len();
    // The library drops what the tenth byte holds beyond 64 bits.
    if used == MAX_VARINT_LEN && bytes[used - 1] > 1 { Err(bad) } else { Ok((value, used)) }
}

fn append_payload(wire: &mut Vec<u8>, ssz: &[u8]) -> Result<(), Error> {
    check_len(ssz.len() as u64, MAX_PAYLOAD_SIZE)?;
    wire.extend(encode_varint(ssz.len() as u64));
    wire.extend(compress_frames(ssz)?);
    Ok(())
}

fn decode_payload(wire: &[u8]) -> Result<Vec<u8>, Error> {
    let (claimed, used) = decode_varint(wire)?;
    check_len(claimed, MAX_PAYLOAD_SIZE)?;
    let ssz = decompress_frames(&wire[used..], claimed as usize)?;
    if ssz.len() as u64 == claimed { Ok(ssz) } else { Err(Error::Codec("payload is shorter than it claims")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lying_lengths_are_refused_before_anything_is_decompressed() {
        let huge = [encode_varint(1 << 40), compress_frames(&[0; 8]).unwrap()].concat();
        assert_eq!(decode_request(&huge), Err(Error::TooLarge { claimed: 1 << 40, limit: MAX_PAYLOAD_SIZE }));
        let long = [encode_varint(9), compress_frames(&[0; 8]).unwrap()].concat();
        assert_eq!(decode_request(&long), Err(Error::Codec("payload is shorter than it claims")));
        let short = [encode_varint(7), compress_frames(&[0; 8]).unwrap()].concat();
        assert_eq!(decode_request(&short), Err(Error::TooLarge { claimed: 8, limit: 7 }));
        let too_wide = [&[0xff; 9][..], &[2]].concat();
        for endless in [&[0x80][..], &[0xff; 11], &too_wide] {
            assert_eq!(decode_request(endless), Err(Error::Codec("length is no varint of 64 bits")));
        }
        assert_eq!(decode_varint(&[&[0xff; 9][..], &[1]].concat()), Ok((u64::MAX, 10)));
    }

    #[test]
    fn error_text_is_cut_on_a_character_boundary() {
        let text = format!("{}\u{e9}", "x".repeat(255));
        let (code, kept) = decode_response(&encode_error(ResponseCode::ServerError, &text).unwrap()).unwrap();
        assert_eq!((code, kept), (ResponseCode::ServerError, vec![b'x'; 255]));
    }
}
