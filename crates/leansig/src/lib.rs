//! XMSS signatures over KoalaBear and Poseidon1, byte-compatible with leanSig.
