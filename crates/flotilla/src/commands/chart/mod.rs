//! What the commands about charts share.

pub(crate) mod remote;
