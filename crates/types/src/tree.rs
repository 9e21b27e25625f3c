//! Hash tree roots of types whose root is a computation of their own.

/// Implements `TreeHash` for a composite type by the computation of its root. A composite is never packed with its
/// neighbours into one leaf, so the two methods for that are unreachable.
macro_rules! composite_tree_hash {
    ($name:ty: $kind:ident, |$value:ident| $root:expr) => {
        impl ::tree_hash::TreeHash for $name {
            fn tree_hash_type() -> ::tree_hash::TreeHashType {
                ::tree_hash::TreeHashType::$kind
            }
            fn tree_hash_packed_encoding(&self) -> ::tree_hash::PackedEncoding {
                unreachable!("a composite is never packed")
            }
            fn tree_hash_packing_factor() -> usize {
                unreachable!("a composite is never packed")
            }
            fn tree_hash_root(&self) -> ::tree_hash::Hash256 {
                let $value = self;
                $root
            }
        }
    };
}

pub(crate) use composite_tree_hash;
