//! Both forms of snappy, with a limit on what comes out.

use lathe_network::snappy::{compress_block, compress_frames, decompress_block, decompress_frames};

/// The limit that targets decompress under: small enough that an input can break it.
pub(crate) const LIMIT: usize = 1 << 20;

/// Nothing comes out longer than the limit, and what goes in comes out again.
pub fn snappy(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match choice % 3 {
        0 => {
            let Ok(plain) = decompress_block(data, LIMIT) else { return };
            assert!(plain.len() <= LIMIT);
            // The limit is exact.
            assert_eq!(decompress_block(data, plain.len()).as_deref(), Ok(&plain[..]));
            assert!(plain.is_empty() || decompress_block(data, plain.len() - 1).is_err());
            assert_eq!(compress_block(&plain).and_then(|wire| decompress_block(&wire, LIMIT)), Ok(plain));
        }
        1 => {
            let Ok(plain) = decompress_frames(data, LIMIT) else { return };
            assert!(plain.len() <= LIMIT);
            assert_eq!(decompress_frames(data, plain.len()).as_deref(), Ok(&plain[..]));
            assert!(plain.is_empty() || decompress_frames(data, plain.len() - 1).is_err());
            assert_eq!(compress_frames(&plain).and_then(|wire| decompress_frames(&wire, LIMIT)), Ok(plain));
        }
        _ => {
            let block = compress_block(data).and_then(|wire| decompress_block(&wire, data.len()));
            assert_eq!(block.as_deref(), Ok(data));
            let frames = compress_frames(data).and_then(|wire| decompress_frames(&wire, data.len()));
            assert_eq!(frames.as_deref(), Ok(data));
        }
    }
}
